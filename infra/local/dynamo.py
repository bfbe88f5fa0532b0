"""moto's DynamoDB made exact, quick, durable and counted.

Stock moto holds no lock, copies every named table for each transaction, sorts the whole table for
each Query and misstates capacity. Here one lock is held around each call; what the named keys held
before is put back if the call fails or cannot be kept (`on_commit`); then its units are counted.
"""

from __future__ import annotations

import threading
import types
from typing import TYPE_CHECKING, Any

from moto.core.serialize import ResponseSerializer
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from .capacity import count_read, get_cost, spend, write_cost, written
from .items import Change, Slot, items

if TYPE_CHECKING:
    from collections.abc import Callable

lock = threading.RLock()


def _slots(handler: Any, action: str) -> list[Slot]:
    """Nothing where the request is malformed: moto itself reports that, before it writes."""
    from moto.core.exceptions import JsonRESTError, ServiceException

    try:
        backend = handler.dynamodb_backend
        return [Slot.of(backend, name, key) for name, key, _ in written(action, handler.params)]
    except (KeyError, TypeError, AttributeError, StopIteration, ServiceException, JsonRESTError):
        return []


class _Patch:
    """The stock methods, and the ones that stand in for them."""

    def __init__(self, on_commit: Callable[[list[Change]], None]) -> None:
        self.on_commit = on_commit
        self.call = DynamoHandler.call_action
        self.query, self.scan = Table.query, Table.scan
        self.structure = ResponseSerializer._serialize_type_structure  # noqa: SLF001  # as below

    def call_alone(self, handler: Any) -> Any:
        """One call at a time: all of it, kept, or nothing; and its units in `counted()`."""
        action = handler._get_action()  # noqa: SLF001  # moto's own reading of the request
        with lock:
            slots, stands = _slots(handler, action), False
            spend(0.0)
            try:
                answer = self.call(handler)
                if answer[0] < 400:
                    self._commit(slots)
                    stands = True
            finally:
                if not stands:
                    for slot in slots:
                        slot.put_back()
            self._count(handler, action, slots, answer)
        return answer

    def _commit(self, slots: list[Slot]) -> None:
        changes = [Change(s.table.name, s.name(), s.before, s.now()) for s in slots]
        changes = [change for change in changes if change.before != change.after]
        if changes:
            self.on_commit(changes)

    def _count(self, handler: Any, action: str, slots: list[Slot], answer: Any) -> None:
        if slots:
            spend(write_cost(action, handler.params, slots, answer))
        elif answer[0] < 400 and action in {"GetItem", "BatchGetItem", "TransactGetItems"}:
            spend(get_cost(action, handler))

    def narrow(self, table: Any, hash_key: Any, *args: Any, **kwargs: Any) -> Any:
        """Query looks at the named partition alone, and counts what it looked at before filters."""
        _, _, _, _, _, projection, index, strong, filtered = args
        found = _partition(table, hash_key, index, kwargs)
        table.all_items = lambda: found
        try:
            answer = self.query(table, hash_key, *args, **kwargs)
            looked_at = answer[0]
            if projection or _filters(filtered):
                bare = (*args[:5], None, index, strong, None)
                looked_at = self.query(table, hash_key, *bare, **kwargs)[0]
        finally:
            del table.all_items
        count_read(table, looked_at, index, strong=bool(strong))
        return answer

    def counted_scan(self, table: Any, *args: Any, **kwargs: Any) -> Any:
        """Scan counts what it looked at before filters."""
        filters, limit, start, filtered, index, strong, projection = args
        answer = self.scan(table, *args, **kwargs)
        looked_at = answer[0]
        if projection or filters or _filters(filtered):
            looked_at = self.scan(table, {}, limit, start, None, index, strong, None, **kwargs)[0]
        count_read(table, looked_at, index, strong=bool(strong))
        return answer

    def quick(self, serializer: Any, out: Any, value: Any, shape: Any, key: str) -> None:
        """An attribute value is JSON already; walking it was three quarters of a Query's time."""
        plain = key and shape.name == "AttributeValue" and type(value) is dict
        if plain and value.keys() & {"S", "N"}:
            out[key] = value
        else:
            self.structure(serializer, out, value, shape, key)


def _filters(expression: Any) -> bool:
    """Whether moto was given a filter; for none it makes an operator that lets all pass."""
    return type(expression).__name__ not in {"OpDefault", "NoneType"}


def _partition(table: Any, hash_key: Any, index: str | None, conditions: Any) -> list[Any]:
    if index:
        wanted = conditions["hash_key_conditions"]
        return [
            item
            for item in items(table)
            if all(name in item.attrs and item.attrs[name] == value for name, value in wanted)
        ]
    part = table.items.get(hash_key)
    if not part:
        return []
    return list(part.values()) if table.has_range_key else [part]


_installed: list[_Patch] = []


def install(on_commit: Callable[[list[Change]], None]) -> None:
    """Patch moto in this process; a second call only replaces who is told of commits."""
    if _installed:
        _installed[0].on_commit = on_commit
        return
    patch = _Patch(on_commit)
    _installed.append(patch)
    _replace(DynamoHandler, "call_action", patch.call_alone)
    _replace(Table, "query", patch.narrow)
    _replace(Table, "scan", patch.counted_scan)
    _replace(ResponseSerializer, "_serialize_type_structure", patch.quick)
    whole = _without_copies(DynamoDBBackend.transact_write_items)
    setattr(DynamoDBBackend, "transact_write_items", whole)  # noqa: B010  # mypy forbids the other


def _replace(owner: type, name: str, method: Callable[..., Any]) -> None:
    def stand_in(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self, *args, **kwargs)

    setattr(owner, name, stand_in)


def _without_copies(function: Any) -> Any:
    """The same code whose "copy the table, restore the copy" does nothing: `Slot` undoes by key."""
    shallow = types.SimpleNamespace(deepcopy=lambda table: table)
    scope = {**function.__globals__, "copy": shallow}
    return types.FunctionType(function.__code__, scope, function.__name__)
