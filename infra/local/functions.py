"""Runs functions as Lambda does: one process per concurrent invocation, reused while idle.

Each process has a session of its function's own role, so every cloud call can be told apart by the
process that made it. `idle` and `still` let the clock move only while nothing runs.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .errors import InvocationError, NotScheduledError
from .runtime import LIMIT, FunctionSpec, Reports, Worker

if TYPE_CHECKING:
    from pathlib import Path

IDLE_SECONDS = 60.0

Environment = Callable[[FunctionSpec], tuple[str, dict[str, str]]]


class Functions:
    """`environment(spec)` gives a new session: its access key and the variables of one process."""

    def __init__(
        self,
        specs: Mapping[str, FunctionSpec],
        task: Path,
        environment: Environment,
        reports: Reports,
    ) -> None:
        self.specs = specs
        self._task, self._environment, self._reports = task, environment, reports
        self._idle: dict[str, list[Worker]] = {name: [] for name in specs}
        self._by_key: dict[str, Worker] = {}
        self._keys: dict[Worker, str] = {}
        self._running = 0
        self._held = False
        self._turn = threading.Condition()
        self._closed = False

    def start_worker(self, name: str) -> None:
        """Have a process ready before the first request."""
        worker = self._new(self.specs[name])
        with self._turn:
            self._idle[name].append(worker)

    def invoke(self, name: str, event: Any) -> Any:
        """What the function returned; raises InvocationError."""
        if name not in self.specs:
            raise NotScheduledError(f"there is no function {name}")
        body = json.dumps(event).encode()
        if len(body) > LIMIT:
            kind = {"errorType": "RequestEntityTooLarge", "errorMessage": "event over 6 MB"}
            raise InvocationError(name, kind)
        self._enter()
        try:
            worker = self._take(name)
            try:
                return worker.invoke(body)
            finally:
                self._give_back(worker)
        finally:
            self._leave()

    def deploy(self, task: Path) -> None:
        """Start functions from another package from now on; what runs ends as it began."""
        with self._turn:
            self._task = task
            old = [worker for idle in self._idle.values() for worker in idle]
            self._idle = {name: [] for name in self.specs}
        for worker in old:
            self._retire(worker)

    def worker_of(self, access_key: str) -> Worker | None:
        return self._by_key.get(access_key)

    @contextmanager
    def still(self, timeout: float = 60.0) -> Iterator[None]:
        """Nothing runs inside this block; raises TimeoutError if something will not end."""
        with self._turn:
            if not self._turn.wait_for(lambda: not self._running and not self._held, timeout):
                raise TimeoutError("an invocation is still running")
            self._held = True
        try:
            yield
        finally:
            with self._turn:
                self._held = False
                self._turn.notify_all()

    @property
    def running(self) -> int:
        return self._running

    def wait_idle(self, timeout: float = 60.0) -> None:
        with self._turn:
            if not self._turn.wait_for(lambda: not self._running, timeout):
                raise TimeoutError("an invocation is still running")

    def stop(self) -> None:
        with self._turn:
            self._closed = True
            workers = list(self._keys)
        for worker in workers:
            worker.stop()

    def _enter(self) -> None:
        with self._turn:
            self._turn.wait_for(lambda: not self._held)
            self._running += 1

    def _leave(self) -> None:
        with self._turn:
            self._running -= 1
            self._turn.notify_all()

    def _take(self, name: str) -> Worker:
        with self._turn:
            while self._idle[name]:
                worker = self._idle[name].pop()
                if not worker.broken:
                    return worker
        return self._new(self.specs[name])

    def _new(self, spec: FunctionSpec) -> Worker:
        access_key, variables = self._environment(spec)
        worker = Worker(spec, self._task, variables, self._reports)
        with self._turn:
            self._by_key[access_key] = worker
            self._keys[worker] = access_key
        return worker

    def _give_back(self, worker: Worker) -> None:
        worker.idle_since = time.monotonic()
        with self._turn:
            idle = self._idle[worker.spec.name]
            tired = [w for w in idle if time.monotonic() - w.idle_since > IDLE_SECONDS]
            idle[:] = [w for w in idle if w not in tired]
            if not worker.broken and not self._closed and worker.task == self._task:
                idle.append(worker)
            else:
                tired.append(worker)
        for old in tired:
            self._retire(old)

    def _retire(self, worker: Worker) -> None:
        worker.stop()
        with self._turn:
            self._by_key.pop(self._keys.pop(worker, ""), None)
