"""Runs what the template schedules on the virtual clock: by itself, on request, or advancing."""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import InvocationError, NotScheduledError
from .expressions import Cron, Rate, parse
from .names import ACCOUNT, REGION, arn

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from .clock import SharedClock
    from .plan import Rule
    from .store import Store

KIND = "schedule"
MODES = ("automatic", "manual")
LOOK_SECONDS = 0.2


@dataclass(slots=True)
class Job:
    rule: Rule
    timing: Rate | Cron
    due: float  # virtual seconds


class Schedules:
    """`quiet` lets what runs come to rest; `still` keeps anything from running within a block."""

    def __init__(
        self,
        rules: list[Rule],
        clock: SharedClock,
        store: Store,
        start: Callable[[Rule, Any], Any],
        quiet: Callable[[], None],
        still: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._clock, self._store, self._start = clock, store, start
        self._quiet, self._still = quiet, still
        self._turn = threading.RLock()
        self._stopped = threading.Event()
        self.mode = "automatic"
        kept = {name: body for _, name, body in store.all(KIND)}
        self.jobs = [self._job(rule, kept.get(rule.name)) for rule in rules]
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def _job(self, rule: Rule, due: float | None) -> Job:
        timing, now = parse(rule.expression), self._clock.seconds()
        # On a whole millisecond, which text and float both hold to the last digit that is shown.
        first = math.ceil(timing.after(now, now) * 1000) / 1000
        job = Job(rule, timing, due if due is not None else first)
        self._store.put(KIND, "", rule.name, job.due)
        return job

    def begin(self) -> None:
        """Let schedules fire by themselves from now on."""
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def set_mode(self, mode: str) -> None:
        """Raises ValueError for any other word; manual schedules run by `run` alone."""
        if mode not in MODES:
            raise ValueError(f"mode: one of {', '.join(MODES)}")
        with self._turn:
            self.mode = mode
            self._skip()

    def run(self, function: str) -> Any:
        """Run a scheduled function now; its next due time stays. Raises NotScheduledError."""
        job = next((job for job in self.jobs if job.rule.function == function), None)
        if job is None:
            raise NotScheduledError(f"{function} has no schedule")
        return self._start(job.rule, self._event(job.rule, self._clock.seconds()))

    def advance(self, seconds: float) -> None:
        """Run each job that falls due once, in order, at its own due time; then arrive."""
        if seconds < 0:
            raise ValueError("advance: the clock does not go back")
        with self._turn:
            end = self._clock.seconds() + seconds
            due = sorted((j for j in self.jobs if j.due <= end), key=lambda j: j.due)
            for job in due if self.mode == "automatic" else ():
                self._jump(job.due)
                self._fire(job, max(end, self._clock.seconds()))
            self._jump(end)
            self._skip()

    def _jump(self, instant: float) -> None:
        self._quiet()
        with self._still():
            self._clock.move_to(instant)

    def _fire(self, job: Job, until: float) -> None:
        """Run a job at its due time and set the next one after `until`; failures are in the log."""
        try:
            self._start(job.rule, self._event(job.rule, job.due))
        except InvocationError as error:
            logging.getLogger("infra.local").warning("schedule %s: %s", job.rule.name, error)
        self._set_due(job, job.timing.after(job.due, until))

    def _skip(self) -> None:
        """In manual mode what would have fired is passed over."""
        now = self._clock.seconds()
        for job in self.jobs if self.mode == "manual" else ():
            if job.due <= now:
                self._set_due(job, job.timing.after(job.due, now))

    def _set_due(self, job: Job, due: float) -> None:
        job.due = due
        self._store.put(KIND, "", job.rule.name, due)

    def _tick(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            with self._turn:
                now = self._clock.seconds()
                due = sorted((j for j in self.jobs if j.due <= now), key=lambda j: j.due)
                for job in due if self.mode == "automatic" else ():
                    if not self._stopped.is_set():
                        self._fire(job, max(now, self._clock.seconds()))
                self._skip()

    def _event(self, rule: Rule, at: float) -> Any:
        if rule.input is not None:
            return json.loads(rule.input)
        when = dt.datetime.fromtimestamp(at, dt.UTC)
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT,
            "time": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [arn("events", f"rule/{rule.name}")],
            "detail": {},
        }
