"""The hostile network, by choice: what goes wrong, and when, drawn from one seed.

Every decision is a function of the seed, its kind and the ordinal of the event or call since
the hostility was set, so that the same story under the same seed meets the same troubles.
"""

import random
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from infra.local.processor.errors import ApiError

STALE_S = 900
_SEED_BITS = 32
_MAX_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Hostility:
    """Shares from 0 to 1 of the events or calls that meet each trouble; two are in seconds."""

    duplicate: float = 0.0
    drop: float = 0.0
    reorder: float = 0.0
    retry: float = 0.0
    stale: float = 0.0
    future: float = 0.0
    fail_after_commit: float = 0.0
    lose_response: float = 0.0
    delay_s: float = 0.0
    search_lag_s: float = 0.0
    seed: int = 0

    def strikes(self, kind: str, ordinal: int) -> bool:
        share = float(getattr(self, kind))
        return self._draw(kind, ordinal) < share

    def _draw(self, kind: str, ordinal: int) -> float:
        # Not a secret: the point of this randomness is that it can be replayed.
        return random.Random(f"{self.seed}:{kind}:{ordinal}").random()  # noqa: S311

    def public(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Planned:
    """One delivery to come: when, whether it goes before all that waits, how wrong its clock is."""

    due: float
    overtakes: bool
    skew: int


MEANINGS: Mapping[str, str] = {
    "duplicate": "share of events that are delivered twice",
    "drop": "share of events that are never delivered (they stay in the events list)",
    "reorder": "share of events that overtake those waiting before them",
    "retry": "share of deliveries whose good answer is ignored and which are sent again later",
    "stale": f"share of deliveries first signed with a t= {STALE_S} s in the past",
    "future": f"share of deliveries first signed with a t= {STALE_S} s in the future",
    "fail_after_commit": "share of API writes that are committed and then answered with a 500",
    "lose_response": "share of API writes that are committed and then never answered",
    "delay_s": "seconds on the clock that every delivery is held back",
    "search_lag_s": "seconds on the clock until a payment is found by search",
    "seed": "the number that all of it is drawn from; left out, a new one is chosen",
}


def read(given: Mapping[str, Any]) -> Hostility:
    """Check what was asked for; `true` is 1, what is left out is off, a seed is always chosen."""
    unknown = sorted(set(given) - set(MEANINGS))
    if unknown:
        raise ApiError(f"Unknown trouble: {', '.join(unknown)}", param=unknown[0])
    values: dict[str, Any] = {
        field.name: _number(field.name, given[field.name])
        for field in fields(Hostility)
        if field.name != "seed" and given.get(field.name) is not None
    }
    return Hostility(**values, seed=_seed(given.get("seed")))


def _number(name: str, value: Any) -> float:
    top = _MAX_SECONDS if name.endswith("_s") else 1
    if not isinstance(value, (bool, int, float)) or not 0 <= float(value) <= top:
        raise ApiError(f"{name} is a number from 0 to {top}, or true or false.", param=name)
    return float(value)


def _seed(value: Any) -> int:
    if value is None:
        return secrets.randbits(_SEED_BITS)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ApiError("seed is an integer.", param="seed")
    return value


def plan(hostility: Hostility, ordinal: int, now: float) -> list[Planned]:
    """The deliveries of one event to one endpoint: none, one or two."""
    if hostility.strikes("drop", ordinal):
        return []
    overtakes = hostility.strikes("reorder", ordinal)
    first = Planned(now + hostility.delay_s, overtakes, _skew(hostility, ordinal))
    again = Planned(first.due, overtakes, 0)
    return [first, again] if hostility.strikes("duplicate", ordinal) else [first]


def _skew(hostility: Hostility, ordinal: int) -> int:
    if hostility.strikes("stale", ordinal):
        return -STALE_S
    return STALE_S if hostility.strikes("future", ordinal) else 0
