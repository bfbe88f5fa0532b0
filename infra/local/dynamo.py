"""moto's DynamoDB made exact, quick, durable and counted.

Stock moto holds no lock, copies every named table for each transaction, shows streams what is later
rolled back, sorts the whole table for each Query and misstates capacity. Here one lock is held
around each call; what the named keys held before is put back if the call fails; and only after it
stands are the changes handed on (`on_commit`: the data folder, streams) and the units counted.
"""

from __future__ import annotations

import base64
import copy
import json
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from moto.core.serialize import ResponseSerializer
from moto.dynamodb.models import DynamoDBBackend, Table
from moto.dynamodb.responses import DynamoHandler

from . import units

lock = threading.RLock()
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Change:
    """One key of one table before and after a call, in DynamoDB's JSON; None where absent."""

    table: str
    key: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(slots=True)
class _Slot:
    """A key that a call may write, and the item moto held there before."""

    table: Any
    hash_key: Any
    range_key: Any
    item: Any
    before: dict[str, Any] | None

    @classmethod
    def of(cls, backend: Any, name: str, key: dict[str, Any]) -> _Slot:
        table = backend.get_table(name)
        hash_key, range_key = backend.get_keys_value(table, key)
        held = copy.deepcopy(_held(table, hash_key, range_key))
        return cls(table, hash_key, range_key, held, attributes(held))

    def now(self) -> dict[str, Any] | None:
        return attributes(_held(self.table, self.hash_key, self.range_key))

    def name(self) -> str:
        """The key as one text."""
        parts = (self.hash_key, self.range_key) if self.table.has_range_key else (self.hash_key,)
        return json.dumps([part.to_json() for part in parts])

    def put_back(self) -> None:
        _place(self.table, self.hash_key, self.range_key, self.item)

    def stream(self) -> None:
        held = _held(self.table, self.hash_key, self.range_key)
        if self.table.stream_shard is not None and self.before != attributes(held):
            self.table.stream_shard.add(self.item, copy.deepcopy(held))


def attributes(item: Any) -> dict[str, Any] | None:
    """A moto item as DynamoDB's JSON."""
    return None if item is None else {name: _plain(value) for name, value in item.attrs.items()}


def _plain(value: Any) -> Any:
    """A DynamoType as typed JSON of its own; binary values as bytes."""
    if not hasattr(value, "cast_value"):
        return value
    held = value.value
    if isinstance(held, dict):
        held = {name: _plain(entry) for name, entry in held.items()}
    elif isinstance(held, list):
        held = [_plain(entry) for entry in held]
    elif value.type == "B" and isinstance(held, str):
        held = base64.b64decode(held)
    return {value.type: held}


def items(table: Any) -> Iterator[Any]:
    """Every item of a moto table, in no order."""
    for part in list(table.items.values()):
        yield from list(part.values()) if table.has_range_key else (part,)


def load(table: Any, item: dict[str, Any]) -> None:
    """Put an item where a restart finds it, judging nothing."""
    from moto.dynamodb.models.dynamo_type import DynamoType, Item

    hash_key = DynamoType(item[table.hash_key_attr])
    range_key = DynamoType(item[table.range_key_attr]) if table.has_range_key else None
    _place(table, hash_key, range_key, Item(hash_key, range_key, item))


def _held(table: Any, hash_key: Any, range_key: Any) -> Any:
    if not table.has_range_key:
        return table.items.get(hash_key)
    part = table.items.get(hash_key)
    return part.get(range_key) if part else None


def _place(table: Any, hash_key: Any, range_key: Any, item: Any) -> None:
    """Make a key hold exactly this; an emptied partition disappears with its last item."""
    if not table.has_range_key:
        if item is None:
            table.items.pop(hash_key, None)
        else:
            table.items[hash_key] = item
    elif item is not None:
        table.items[hash_key][range_key] = item
    elif hash_key in table.items:
        table.items[hash_key].pop(range_key, None)
        if not table.items[hash_key]:
            del table.items[hash_key]


def _written(action: str, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(table, key attributes, kind) of each key that a call may write or check."""
    if action in {"PutItem", "UpdateItem", "DeleteItem"}:
        yield body["TableName"], body.get("Item") or body["Key"], action
    elif action == "TransactWriteItems":
        for entry in body["TransactItems"]:
            kind, item = next(iter(entry.items()))
            yield item["TableName"], item.get("Item") or item["Key"], kind
    elif action == "BatchWriteItem":
        for table, requests in body["RequestItems"].items():
            for request in requests:
                kind, item = next(iter(request.items()))
                yield table, item.get("Item") or item["Key"], kind


def _slots(handler: Any, action: str) -> list[_Slot]:
    """Nothing where the request is malformed: moto itself reports that, before it writes."""
    from moto.core.exceptions import JsonRESTError, ServiceException

    try:
        backend = handler.dynamodb_backend
        return [_Slot.of(backend, name, key) for name, key, _ in _written(action, handler.params)]
    except (KeyError, TypeError, AttributeError, StopIteration, ServiceException, JsonRESTError):
        return []


class _Patch:
    """The stock methods, and the ones that stand in for them."""

    def __init__(self, on_commit: Callable[[list[Change]], None]) -> None:
        self.on_commit = on_commit
        self.call = DynamoHandler.call_action
        self.query, self.scan = Table.query, Table.scan
        self.structure = ResponseSerializer._serialize_type_structure  # noqa: SLF001

    def call_alone(self, handler: Any) -> Any:
        """One call at a time: all of it or nothing, and its units in `counted()`."""
        action = handler._get_action()  # noqa: SLF001  # moto's own reading of the request
        with lock:
            _local.units, slots = 0.0, _slots(handler, action)
            status = 500
            try:
                with _withheld(slots):
                    answer = self.call(handler)
                status = answer[0]
            finally:
                if status >= 400:
                    self._undo(slots)
            if status < 400:
                self._commit(slots)
            self._count(handler, action, slots, answer)
        return answer

    def _undo(self, slots: list[_Slot]) -> None:
        for slot in slots:
            slot.put_back()

    def _commit(self, slots: list[_Slot]) -> None:
        changes = [Change(s.table.name, s.name(), s.before, s.now()) for s in slots]
        changes = [change for change in changes if change.before != change.after]
        for slot in slots:
            slot.stream()
        if changes:
            self.on_commit(changes)

    def _count(self, handler: Any, action: str, slots: list[_Slot], answer: Any) -> None:
        if slots:
            _local.units = _write_cost(action, handler.params, slots, answer)
        elif answer[0] < 400 and action in {"GetItem", "BatchGetItem", "TransactGetItems"}:
            _local.units = _get_cost(action, handler)

    def narrow(self, table: Any, hash_key: Any, *args: Any, **kwargs: Any) -> Any:
        """Query looks at the named partition alone, and counts what it looked at before filters."""
        index = args[6] if len(args) > 6 else kwargs.get("index_name")
        found = _partition(table, hash_key, index, kwargs)
        table.all_items = lambda: found
        try:
            answer = self.query(table, hash_key, *args, **kwargs)
            looked_at = self._unfiltered(table, hash_key, args, kwargs, answer)
        finally:
            del table.all_items
        _count_read(table, looked_at, index, strong=bool(args[7]))
        return answer

    def _unfiltered(self, table: Any, hash_key: Any, args: Any, kwargs: Any, answer: Any) -> Any:
        projection, filtered = args[5], args[8]
        if not projection and type(filtered).__name__ in {"OpDefault", "NoneType"}:
            return answer[0]
        bare = [*args]
        bare[5], bare[8] = None, None
        return self.query(table, hash_key, *bare, **kwargs)[0]

    def counted_scan(self, table: Any, *args: Any, **kwargs: Any) -> Any:
        answer = self.scan(table, *args, **kwargs)
        _count_read(table, answer[0], args[4], strong=bool(args[5]))
        return answer

    def quick(self, serializer: Any, out: Any, value: Any, shape: Any, key: str) -> None:
        """An attribute value is JSON already; walking it was three quarters of a Query's time."""
        plain = key and shape.name == "AttributeValue" and type(value) is dict
        if plain and value.keys() & {"S", "N"}:
            out[key] = value
        else:
            self.structure(serializer, out, value, shape, key)


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


def _count_read(table: Any, found: Sequence[Any], index: str | None, *, strong: bool) -> None:
    kept = _kept(table, index) if index else None
    plain = (attributes(item) or {} for item in found)
    sizes = [units.size(_only(item, kept)) for item in plain]
    _local.units = units.read_units(sizes, strong=strong)


def _only(item: dict[str, Any], kept: Sequence[str] | None) -> dict[str, Any]:
    return item if kept is None else {name: item[name] for name in kept if name in item}


def _kept(table: Any, index: str) -> list[str] | None:
    """The attributes an index projects; None for all."""
    found = next(entry for entry in table.all_indexes() if entry.name == index)
    kind = found.projection.get("ProjectionType", "ALL")
    if kind == "ALL":
        return None
    keys = [key["AttributeName"] for key in (*found.schema, *table.schema)]
    more = found.projection.get("NonKeyAttributes", []) if kind == "INCLUDE" else []
    return list(dict.fromkeys([*keys, *more]))


def _write_cost(action: str, body: dict[str, Any], slots: list[_Slot], answer: Any) -> float:
    times = 2 if action == "TransactWriteItems" else 1
    failed = answer[0] >= 400
    if failed and not _condition_failed(answer):
        return 0.0
    kinds = _written(action, body)
    total = 0.0
    for slot, (_, key, kind) in zip(slots, kinds, strict=True):
        wanted = key if kind in {"PutItem", "Put", "PutRequest"} else slot.before
        after = wanted if failed else slot.now()
        total += times * units.write_units(slot.before, after)
        total += 0.0 if failed else _index_cost(slot, after)
    return total


def _condition_failed(answer: Any) -> bool:
    body = answer[2]
    text = body if isinstance(body, str) else body.decode()
    return "ConditionalCheckFailed" in text


def _index_cost(slot: _Slot, after: dict[str, Any] | None) -> float:
    return sum(
        units.index_units(
            slot.before,
            after,
            [key["AttributeName"] for key in index.schema],
            _kept(slot.table, index.name),
        )
        for index in slot.table.all_indexes()
    )


def _get_cost(action: str, handler: Any) -> float:
    body = handler.params
    if action == "GetItem":
        return _one_get(
            handler, body["TableName"], body["Key"], strong=bool(body.get("ConsistentRead"))
        )
    if action == "TransactGetItems":
        gets = [entry["Get"] for entry in body["TransactItems"]]
        return sum(2 * _one_get(handler, get["TableName"], get["Key"], strong=True) for get in gets)
    return sum(
        _one_get(handler, table, key, strong=bool(wanted.get("ConsistentRead")))
        for table, wanted in body["RequestItems"].items()
        for key in wanted["Keys"]
    )


def _one_get(handler: Any, name: str, key: dict[str, Any], *, strong: bool) -> float:
    slot = _Slot.of(handler.dynamodb_backend, name, key)
    return units.read_units([units.size(slot.before)], strong=strong)


class _withheld:  # noqa: N801  # reads as a statement: with withheld(...)
    """Streams of the tables a call may write see nothing until it stands."""

    def __init__(self, slots: list[_Slot]) -> None:
        self._shards = {id(s.table): (s.table, s.table.stream_shard) for s in slots}

    def __enter__(self) -> None:
        for table, _ in self._shards.values():
            table.stream_shard = None

    def __exit__(self, *_: object) -> None:
        for table, shard in self._shards.values():
            table.stream_shard = shard


def counted() -> float:
    """The units of the last DynamoDB call on this thread; asking clears them."""
    found: float = getattr(_local, "units", 0.0)
    _local.units = 0.0
    return found


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
    DynamoDBBackend.transact_write_items = _without_copies(DynamoDBBackend.transact_write_items)


def _replace(owner: type, name: str, method: Callable[..., Any]) -> None:
    def stand_in(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self, *args, **kwargs)

    setattr(owner, name, stand_in)


def _without_copies(function: Any) -> Any:
    """The same code whose "copy the table, restore the copy" does nothing: `_Slot` undoes by key."""
    shallow = types.SimpleNamespace(deepcopy=lambda table: table)
    scope = {**function.__globals__, "copy": shallow}
    return types.FunctionType(function.__code__, scope, function.__name__)
