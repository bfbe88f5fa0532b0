"""Keeps what cloud calls change before they are answered, and brings it back at the start."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from . import queues
from .errors import StaleDataError
from .items import load
from .names import ACCOUNT, REGION
from .objects import Objects
from .queues import Messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from .items import Change
    from .mail import Inbox
    from .objects import ObjectEvent
    from .store import Store
    from .wire import Answer, Call


class Keeper:
    """`commits` counts changes of tables and messages sent: whether anything got done."""

    def __init__(self, store: Store, inbox: Inbox) -> None:
        self._store, self._inbox = store, inbox
        self._notify: Callable[[list[ObjectEvent]], None] = lambda _: None
        self._wake: Callable[[], None] = lambda: None
        self._tell: Callable[[dict[str, Any]], None] = lambda _: None
        self.objects, self.messages = Objects(store), Messages(store)
        self.commits = 0

    def listen(
        self,
        notify: Callable[[list[ObjectEvent]], None],
        wake: Callable[[], None],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        """Tell `notify` of objects from now on, `wake` of changes to queues, `tell` of mails."""
        self._notify, self._wake, self._tell = notify, wake, tell

    # while serving -------------------------------------------------------------------------------

    def guard(self, call: Call) -> contextlib.AbstractContextManager[Any]:
        return queues.lock if call.service == "sqs" else contextlib.nullcontext()

    def keep(self, call: Call, answer: Answer) -> None:
        del answer
        if call.service == "s3":
            self._notify(self.objects.keep(call))
        elif call.service == "sqs":
            self.messages.keep()
            self.commits += call.action.startswith("Send")
            self._wake()
        elif call.service == "ssm":
            self._keep_parameter(call)
        elif call.service in {"ses", "sesv2"} and (mail := self._inbox.keep(call)):
            self._tell(mail)

    def put_message(self, queue: str, body: str) -> None:
        """Put a message into a queue, as a service of AWS does that no function calls."""
        with queues.lock:
            queues.put(queue, body)
            self.messages.keep()
        self.commits += 1
        self._wake()

    def keep_items(self, changes: list[Change]) -> None:
        """All changes of one call or none; called under the lock of the tables."""
        self.commits += 1
        rows = [(c.table, c.key, jsonable(c.after)) for c in changes]
        self._store.change("item", rows)

    def _keep_parameter(self, call: Call) -> None:
        from moto.ssm.models import ssm_backends

        names = call.parameters.get("Names") or [call.parameters.get("Name")]
        if call.action not in {"PutParameter", "DeleteParameter", "DeleteParameters"}:
            return
        held = ssm_backends[ACCOUNT][REGION]._parameters  # noqa: SLF001  # moto has no public way
        for name in names:
            found = held[name][-1] if held.get(name) else None
            self._store.change("parameter", [("", str(name), _parameter(found))])

    # at the start --------------------------------------------------------------------------------

    def load(self, keys: dict[str, str]) -> None:
        """Fill the freshly created resources; raises StaleDataError for data without a home."""
        self._load_keys(keys)
        self._check_shapes()
        missing = [*self._load_items(), *self.objects.load(), *self.messages.load()]
        if missing:
            raise StaleDataError(
                f"{self._store.folder} holds data of {missing[0]}, which the template no longer "
                "has: remove the folder, or go back to the template it was made with"
            )
        self._load_parameters()

    def _load_keys(self, keys: dict[str, str]) -> None:
        from moto.kms.models import kms_backends

        kept = {name: body for _, name, body in self._store.all("key")}
        for logical, key_id in keys.items():
            key = kms_backends[ACCOUNT][REGION].keys[key_id]
            if logical in kept:
                _put_material(key, base64.b64decode(kept[logical]))
            else:
                self._store.put("key", "", logical, base64.b64encode(_material(key)).decode())

    def _check_shapes(self) -> None:
        """Items cannot follow a table to another key."""
        kept = {name: body for _, name, body in self._store.all("shape")}
        for name, table in _tables().items():
            shape = [table.schema, sorted(table.attr, key=json.dumps)]
            if name in kept and kept[name][0] != shape[0]:
                raise StaleDataError(
                    f"the key of table {name} has changed since {self._store.folder} was made: "
                    "remove it"
                )
            self._store.put("shape", "", name, shape)

    def _load_items(self) -> list[str]:
        tables, missing = _tables(), set()
        for table, _, item in self._store.all("item"):
            if table in tables:
                load(tables[table], _with_bytes(item))
            else:
                missing.add(table)
        return sorted(missing)

    def _load_parameters(self) -> None:
        from moto.ssm.models import Parameter, ssm_backends

        held = ssm_backends[ACCOUNT][REGION]._parameters  # noqa: SLF001  # moto has no public way
        for _, name, body in self._store.all("parameter"):
            body["last_modified_date"] = dt.datetime.fromisoformat(body["last_modified_date"])
            held[name] = [Parameter(ACCOUNT, name, **body)]  # type: ignore[abstract]  # moto does so


def _material(key: Any) -> bytes:
    """What must survive of a key: its bytes, or the private half of one that signs."""
    if key.key_usage == "SIGN_VERIFY":
        from cryptography.hazmat.primitives import serialization as forms

        pair = key.private_key.private_key
        made: bytes = pair.private_bytes(
            forms.Encoding.DER, forms.PrivateFormat.PKCS8, forms.NoEncryption()
        )
        return made
    return bytes(key.key_material)


def _put_material(key: Any, material: bytes) -> None:
    if key.key_usage == "SIGN_VERIFY":
        from cryptography.hazmat.primitives.serialization import load_der_private_key

        key.private_key.private_key = load_der_private_key(material, None)
    else:
        key.key_material = material


def _tables() -> dict[str, Any]:
    from moto.dynamodb.models import dynamodb_backends

    return dict(dynamodb_backends[ACCOUNT][REGION].tables)


def jsonable(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: jsonable(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [jsonable(entry) for entry in value]
    return value


def _with_bytes(item: dict[str, Any]) -> dict[str, Any]:
    return {name: _typed(value) for name, value in item.items()}


def _typed(typed: dict[str, Any]) -> dict[str, Any]:
    kind, value = next(iter(typed.items()))
    if kind == "B":
        return {kind: base64.b64decode(value)}
    if kind == "BS":
        return {kind: [base64.b64decode(entry) for entry in value]}
    if kind == "L":
        return {kind: [_typed(entry) for entry in value]}
    if kind == "M":
        return {kind: _with_bytes(value)}
    return typed


def _parameter(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    modified = found.last_modified_date
    stamp = (
        modified
        if isinstance(modified, dt.datetime)
        else dt.datetime.fromtimestamp(modified, dt.UTC)
    )
    return {
        "value": found.decrypt(found.value),
        "parameter_type": found.parameter_type,
        "description": found.description,
        "allowed_pattern": found.allowed_pattern,
        "keyid": found.keyid,
        "last_modified_date": stamp.isoformat(),
        "version": found.version,
        "data_type": found.data_type,
        "tier": found.tier,
    }
