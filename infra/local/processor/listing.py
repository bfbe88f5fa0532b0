"""Lists as Stripe pages them, and expansion of ids into objects."""

import time
from collections.abc import Callable

from infra.local.processor import wire
from infra.local.processor.errors import JsonObject, invalid_param, missing_object
from infra.local.processor.world import LABELS, World

_DEFAULT_LIMIT = 10
_MAX_LIMIT = 100
_EVENT_DAYS = 30
_MAX_DEPTH = 4
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda created, bound: created > bound,
    "gte": lambda created, bound: created >= bound,
    "lt": lambda created, bound: created < bound,
    "lte": lambda created, bound: created <= bound,
}


def page(things: list[JsonObject], params: JsonObject, url: str) -> JsonObject:
    """One page of `things`, given newest first."""
    limit = _limit(params)
    after, before = wire.text(params, "starting_after"), wire.text(params, "ending_before")
    if after is not None:
        rest = things[_index(things, after, "starting_after") + 1 :]
        chosen, more = rest[:limit], len(rest) > limit
    elif before is not None:
        rest = things[: _index(things, before, "ending_before")]
        chosen, more = rest[max(0, len(rest) - limit) :], len(rest) > limit
    else:
        chosen, more = things[:limit], len(things) > limit
    return {"object": "list", "data": chosen, "has_more": more, "url": url}


def _limit(params: JsonObject) -> int:
    limit = wire.integer(params, "limit")
    if limit is None:
        return _DEFAULT_LIMIT
    if not 1 <= limit <= _MAX_LIMIT:
        raise invalid_param(f"Invalid limit: {limit}", "limit", "parameter_invalid_integer")
    return limit


def _index(things: list[JsonObject], cursor: str, param: str) -> int:
    for index, thing in enumerate(things):
        if thing["id"] == cursor:
            return index
    raise missing_object("object", cursor, param, 400)


def of_kind(world: World, kind: str, params: JsonObject, *filters: str) -> list[JsonObject]:
    """Objects of a kind, newest first, narrowed by `created` and by equality."""
    things = [one for one in world.store.newest(kind) if _created_matches(one, params)]
    for name in filters:
        wanted = wire.text(params, name)
        if wanted is not None:
            things = [one for one in things if one.get(name) == wanted]
    return things


def _created_matches(thing: JsonObject, params: JsonObject) -> bool:
    bounds = params.get("created")
    if isinstance(bounds, str):
        return bool(thing["created"] == wire.integer(params, "created"))
    for name in wire.mapping(params, "created"):
        bound = wire.integer(bounds or {}, name)
        if name not in _COMPARISONS or bound is None:
            raise invalid_param(f"Invalid created filter: {name}", f"created[{name}]")
        if not _COMPARISONS[name](thing["created"], bound):
            return False
    return True


def events(world: World, params: JsonObject) -> list[JsonObject]:
    """The events of the last 30 days, newest first, of the types asked for."""
    oldest = time.time() - _EVENT_DAYS * 86_400
    wanted = set(wire.items(params, "types")) | {wire.text(params, "type") or ""} - {""}
    return [
        event
        for event in of_kind(world, "event", params)
        if event["created"] >= oldest and (not wanted or _type_matches(event["type"], wanted))
    ]


def _type_matches(kind: str, wanted: set[str]) -> bool:
    return kind in wanted or any(
        one.endswith("*") and kind.startswith(one.removesuffix("*")) for one in wanted
    )


def expand(
    world: World, thing: JsonObject, paths: list[str], check: Callable[[str], None]
) -> JsonObject:
    """The object with the ids at these dotted paths replaced by what they name.

    `check` raises where the caller may not read a kind of object.
    """
    for path in paths:
        parts = path.split(".")
        if len(parts) > _MAX_DEPTH:
            raise invalid_param("You cannot expand more than 4 levels deep.", "expand")
        _expand(world, thing, parts, check)
    return thing


def _expand(
    world: World, thing: JsonObject, parts: list[str], check: Callable[[str], None]
) -> None:
    name, rest = parts[0], parts[1:]
    if name not in thing:
        raise invalid_param(f"This property cannot be expanded ({name}).", f"expand[{name}]")
    if isinstance(thing[name], list):
        for one in thing[name]:
            _expand(world, one, rest, check)
        return
    if isinstance(thing[name], str):
        found = world.store.find(thing[name])
        if found is None or found["object"] not in LABELS:
            raise invalid_param(f"This property cannot be expanded ({name}).", "expand")
        check(found["object"])
        thing[name] = world.public(found)
    if rest and isinstance(thing[name], dict):
        _expand(world, thing[name], rest, check)
