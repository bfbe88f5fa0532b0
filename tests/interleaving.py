"""Every order of cloud calls that a seed can name: one call at a time, and the seed picks whose.

    turns = Turns(seed)
    database = Database(turns.client(real_client))
    turns.run(lambda: first(database), lambda: second(database))

Between two calls of a task any number of calls of the others may happen, as between two functions
that run at once. The same seed gives the same order.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 30


class Turns:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - an order, not a secret
        self.changed = threading.Condition()
        self.waiting: set[int] = set()
        self.alive: set[int] = set()
        self.chosen: int | None = None
        self.me = threading.local()

    def client(self, real: Any) -> Any:
        """The client, whose every call first waits for its turn."""
        return Waiting(self, real)

    def run(self, *tasks: Callable[[], object]) -> list[object]:
        """What each task returned or raised, in the order of the tasks."""
        results: list[object] = [None] * len(tasks)
        self.alive = set(range(len(tasks)))
        threads = [
            threading.Thread(target=self._perform, args=(number, task, results), daemon=True)
            for number, task in enumerate(tasks)
        ]
        for thread in threads:
            thread.start()
        while self._choose():
            pass
        for thread in threads:
            thread.join(PATIENCE)
        return results

    def step(self) -> None:
        number: int = self.me.number
        with self.changed:
            self.waiting.add(number)
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.chosen == number, PATIENCE)
            self.chosen = None
            self.waiting.remove(number)

    def _choose(self) -> bool:
        with self.changed:
            assert self.changed.wait_for(
                lambda: self.chosen is None and self.waiting == self.alive, PATIENCE
            )
            if not self.alive:
                return False
            self.chosen = self.random.choice(sorted(self.waiting))
            self.changed.notify_all()
            return True

    def _perform(self, number: int, task: Callable[[], object], results: list[object]) -> None:
        self.me.number = number
        try:
            results[number] = task()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            results[number] = error
        finally:
            with self.changed:
                self.alive.discard(number)
                self.changed.notify_all()


class Waiting:
    def __init__(self, turns: Turns, real: Any) -> None:
        self.turns, self.real = turns, real

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.real, name)

        def wait_and_call(**request: Any) -> Any:
            self.turns.step()
            return call(**request)

        return wait_and_call


class Between:
    """A client that lets something happen once, between its reads and its first transaction."""

    def __init__(self, real: Any, act: Callable[[], object]) -> None:
        self.real, self.act = real, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def transact_write_items(self, **request: Any) -> Any:
        act, self.act = self.act, lambda: None
        act()
        return self.real.transact_write_items(**request)
