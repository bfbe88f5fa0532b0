"""Kill a use case at any of its cloud calls, before the call or after it took effect (G12)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from botocore.client import BaseClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Killed(BaseException):
    """The process is gone; a BaseException, so that no handler of ours can outlive it."""


@dataclass
class Calls:
    """The cloud calls of a stretch of code, as service and action."""

    made: list[tuple[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.made)


@contextmanager
def recorded(die_at: int | None = None, *, after: bool = False) -> Iterator[Calls]:
    """Record cloud calls; with `die_at` (from 0) be killed there, before or after the call."""
    calls, stock = Calls(), BaseClient._make_api_call

    def call(client: Any, action: str, parameters: Any) -> Any:
        here = len(calls)
        calls.made.append((client.meta.service_model.service_name, action))
        if here == die_at and not after:
            raise Killed
        answer = stock(client, action, parameters)
        if here == die_at:
            raise Killed
        return answer

    with patch.object(BaseClient, "_make_api_call", call):
        yield calls


def at_every_call(
    prepare: Callable[[], Any], act: Callable[[Any], object], judge: Callable[[Any], None]
) -> int:
    """Kill `act` at each of its calls in turn, before and after; `judge` repairs and asserts.

    Answers how many deaths were tried; each starts from a fresh `prepare`.
    """
    start = prepare()
    with recorded() as calls:
        act(start)
    for death in range(len(calls)):
        for after in (False, True):
            start = prepare()
            with recorded(death, after=after):
                try:
                    act(start)
                except Killed:
                    pass
                else:
                    raise AssertionError(f"survived its death at call {death}: {calls.made}")
            judge(start)
    return 2 * len(calls)
