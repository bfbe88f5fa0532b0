"""One figure: a value, and a peer's beside it where one was measured in the same run."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`more_is_better` says which way the ratio counts: it is how many times better ours is."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    more_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        if self.peer_value is None or 0 in {self.value, self.peer_value}:
            return None
        better = self.value / self.peer_value
        return better if self.more_is_better else 1 / better

    def line(self) -> str:
        """One JSON line."""
        ratio = self.ratio
        facts = {
            "name": self.name,
            "value": rounded(self.value),
            "unit": self.unit,
            "peer": self.peer,
            "peer_value": None if self.peer_value is None else rounded(self.peer_value),
            "ratio": None if ratio is None else round(ratio, 2),
        }
        return json.dumps(facts)


def rounded(value: float) -> float:
    return int(value) if float(value).is_integer() else round(value, 3)
