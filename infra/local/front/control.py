"""The control surface under `/_local/`: what tests and people may look at and turn.

JSON in and out, and one page. Errors are problems: 400 names the field, 403 is for other sites,
404 for what does not exist, 405 for another method, 502 for a function that failed.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from infra.local.errors import CloudError, InvocationError, NotScheduledError
from infra.local.front.fields import BadField, read_count, read_fields
from infra.local.front.guard import refuse_foreign
from infra.local.front.http import Answer, Headers, Request, as_json, as_problem
from infra.local.front.page import View, render

Json = dict[str, Any]
PREFIX = "/_local/"
FAULT_FIELDS = ("service", "action", "function", "nth", "times", "kind")
FAULT_KINDS = ("fail", "throttle", "conflict", "timeout_after_commit", "kill")
MODES = ("manual", "automatic")
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
PAGE_HEADERS: Headers = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", PAGE_POLICY),
    # Not no-referrer: with it browsers post our own forms with `Origin: null`.
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
)


class Engine(Protocol):
    """The part of the running cloud that the control surface turns and looks at."""

    @property
    def functions(self) -> Any: ...
    def schedules(self) -> list[Any]: ...
    def schedule_mode(self) -> str: ...
    def set_schedule_mode(self, mode: str) -> None: ...
    def run(self, function: str) -> Any: ...
    def settle(self) -> None: ...
    def deploy(self, archive: Path) -> None: ...
    def now(self) -> str: ...
    def advance(self, seconds: float) -> None: ...
    def freeze(self, frozen: bool) -> None: ...
    def calls(self, since: int = 0, function: str | None = None) -> list[Json]: ...
    def add_fault(self, fault: Mapping[str, Any]) -> None: ...
    def clear_faults(self) -> None: ...
    def mail(self, to: str | None = None) -> list[Json]: ...
    def receive_mail(self, raw: bytes) -> str: ...
    def dump(self) -> Json: ...
    def object(self, bucket: str, key: str) -> tuple[bytes, str]: ...
    def logs(self, function: str | None = None) -> list[Json]: ...
    def queues(self) -> Json: ...
    def requests(self) -> list[Json]: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the surface, taken apart: the name after `/_local/` and what follows it."""

    request: Request
    name: str
    rest: str
    query: Mapping[str, str]


Action = Callable[[Call], Answer]


class Control:
    """Answers `/_local/` for the cloud at `port`; `seed` is what `/_local/seed` shows.

    `deliver` hands over what waits outside the cloud (webhooks of the processor) and returns how
    much that was: settling goes on until there is none. `write_logs` has the front door deliver its
    visitor logs, so that whatever runs next finds them.
    """

    def __init__(
        self,
        cloud: Engine,
        seed: Json,
        port: int,
        deliver: Callable[[], int] = lambda: 0,
        write_logs: Callable[[], object] = lambda: None,
    ) -> None:
        self.cloud, self.seed, self.port = cloud, seed, port
        self.deliver, self.write_logs = deliver, write_logs
        self._faults: list[Json] = []
        self._actions: dict[str, dict[str, Action]] = {
            "": {"GET": self._page},
            "seed": {"GET": lambda _: as_json(self.seed)},
            "mail": {"GET": self._mail, "POST": self._receive},
            "clock": {"GET": lambda _: self._clock(), "POST": self._move_clock},
            "run": {"POST": self._run},
            "settle": {"POST": self._settle},
            "deploy": {"POST": self._deploy},
            "dump": {"GET": lambda _: as_json(self.cloud.dump())},
            "objects": {"GET": self._object},
            "logs": {"GET": lambda c: as_json(self.cloud.logs(c.query.get("function")))},
            "queues": {"GET": lambda _: as_json(self.cloud.queues())},
            "requests": {"GET": lambda _: as_json(self.cloud.requests())},
            "calls": {"GET": self._calls},
            "schedules": {"GET": lambda _: self._schedules(), "POST": self._set_mode},
            "faults": {
                "GET": lambda _: self._list_faults(),
                "POST": self._add_fault,
                "DELETE": self._clear_faults,
            },
        }

    def answer(self, request: Request) -> Answer:
        if refused := refuse_foreign(request, self.port):
            return refused
        if request.oversize:
            return as_problem(413, "too_large", "Content Too Large", "At most 10 MB.")
        if request.path == PREFIX.rstrip("/"):
            return Answer(308, (("Location", PREFIX),))
        return self._dispatch(_call(request))

    def _dispatch(self, call: Call) -> Answer:
        actions = self._actions.get(call.name)
        if actions is None or (call.rest and call.name not in ("run", "objects")):
            return _not_found(f"There is no {call.request.path}.")
        method = "GET" if call.request.method == "HEAD" else call.request.method
        if method not in actions:
            allowed = ", ".join(sorted(actions))
            allow = (("Allow", allowed),)
            return as_problem(405, "method_not_allowed", "Method Not Allowed", allowed, allow)
        try:
            return actions[method](call)
        except BadField as error:
            return error.answer()
        except Exception as error:  # noqa: BLE001  # a fault of the engine is told to whoever asked
            traceback.print_exc(file=sys.stderr)
            detail = f"{type(error).__name__}: {error}"
            return as_problem(500, "engine_error", "Internal Server Error", detail)

    # clock and schedules -------------------------------------------------------------------------

    def _clock(self) -> Answer:
        return as_json({"now": self.cloud.now()})

    def _move_clock(self, call: Call) -> Answer:
        """Freeze or go on first, then advance; both may stand in one body."""
        fields = read_fields(call.request)
        fields.refuse_others(("advance", "freeze"))
        if not fields.values:
            raise BadField("advance", "Say how many seconds, or whether to freeze.")
        frozen = fields.flag("freeze") if fields.has("freeze") else None
        seconds = fields.number("advance") if fields.has("advance") else None
        self.write_logs()
        if frozen is not None:
            self.cloud.freeze(frozen)
        if seconds is not None:
            self.cloud.advance(seconds)
        said = "advanced" if seconds is not None else "frozen" if frozen else "going"
        return _done(call, said, self._clock())

    def _run(self, call: Call) -> Answer:
        name = call.rest
        if name not in self.cloud.functions:
            return _not_found(f"There is no function {name}.")
        self.write_logs()
        try:
            result = self.cloud.run(name)
        except NotScheduledError:
            raise BadField("function", f"No schedule runs {name}.") from None
        except InvocationError as error:
            return as_problem(502, "function_failed", "Function Failed", str(error))
        answer = {"function": name, "result": result, "now": self.cloud.now()}
        return _done(call, "ran", as_json(answer))

    def _settle(self, call: Call) -> Answer:
        self.write_logs()
        self.cloud.settle()
        while self.deliver():
            self.cloud.settle()
        return _done(call, "settled", as_json({"settled": True, "now": self.cloud.now()}))

    def _deploy(self, call: Call) -> Answer:
        """Swap the code of all functions for that of a zip on this machine, as an update does."""
        fields = read_fields(call.request)
        fields.refuse_others(("zip",))
        try:
            self.cloud.deploy(Path(fields.text("zip")))
        except CloudError as error:
            raise BadField("zip", str(error)) from None
        return as_json({"deployed": True, "now": self.cloud.now()})

    def _schedules(self) -> Answer:
        rows = [_schedule(schedule) for schedule in self.cloud.schedules()]
        return as_json({"mode": self.cloud.schedule_mode(), "schedules": rows})

    def _set_mode(self, call: Call) -> Answer:
        fields = read_fields(call.request)
        fields.refuse_others(("mode",))
        mode = fields.word("mode", MODES)
        self.cloud.set_schedule_mode(mode)
        return _done(call, mode, self._schedules())

    # mail ----------------------------------------------------------------------------------------

    def _mail(self, call: Call) -> Answer:
        return as_json(self.cloud.mail(call.query.get("to")))

    def _receive(self, call: Call) -> Answer:
        if not call.request.body:
            raise BadField("body", "The body must be a message in MIME.")
        return as_json({"key": self.cloud.receive_mail(call.request.body)}, 202)

    # looking -------------------------------------------------------------------------------------

    def _object(self, call: Call) -> Answer:
        bucket, _, key = call.rest.partition("/")
        try:
            body, kind = self.cloud.object(unquote(bucket), unquote(key))
        except KeyError:
            return _not_found(f"There is no object {call.rest}.")
        # What a bucket holds must never run as a page of the app's own origin.
        safe = (("Content-Security-Policy", "sandbox"), ("X-Content-Type-Options", "nosniff"))
        return Answer(200, (("Content-Type", kind), *safe), body)

    def _calls(self, call: Call) -> Answer:
        since = read_count(call.query, "since")
        return as_json(self.cloud.calls(since, call.query.get("function")))

    def _page(self, call: Call) -> Answer:
        cloud = self.cloud
        view = View(
            now=cloud.now(),
            mode=cloud.schedule_mode(),
            schedules=[_schedule(schedule) for schedule in cloud.schedules()],
            mails=cloud.mail(None),
            queues=cloud.queues(),
            faults=list(self._faults),
            seed=self.seed,
            said=call.query.get("said", ""),
        )
        return Answer(200, PAGE_HEADERS, render(view).encode())

    # faults --------------------------------------------------------------------------------------

    def _list_faults(self) -> Answer:
        return as_json({"faults": self._faults})

    def _add_fault(self, call: Call) -> Answer:
        fields = read_fields(call.request)
        if fields.is_form:
            raise BadField("body", "A fault is given as JSON.")
        fault = _checked_fault(fields.values)
        fields.refuse_others(FAULT_FIELDS)
        try:
            self.cloud.add_fault(fault)
        except ValueError as error:
            raise BadField("fault", str(error)) from None
        self._faults.append(fault)
        return as_json(fault, 201)

    def _clear_faults(self, _: Call) -> Answer:
        self.cloud.clear_faults()
        self._faults.clear()
        return self._list_faults()


def _call(request: Request) -> Call:
    name, _, rest = request.path.removeprefix(PREFIX).partition("/")
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    return Call(request, name, rest, query)


def _checked_fault(given: Json) -> Json:
    fault = {"nth": 1, "times": 1, **given}
    if fault.get("kind") not in FAULT_KINDS:
        raise BadField("kind", f"This must be one of: {', '.join(FAULT_KINDS)}.")
    for name in ("nth", "times"):
        if type(fault[name]) is not int or fault[name] < 1:
            raise BadField(name, "This must be a whole number from 1 on.")
    for name in ("service", "action", "function"):
        if not isinstance(fault.get(name, ""), str | None):
            raise BadField(name, "This must be text.")
    return {name: value for name, value in fault.items() if value is not None}


def _schedule(schedule: Any) -> Json:
    names = ("name", "function", "expression", "due")
    return {name: getattr(schedule, name) for name in names}


def _not_found(detail: str) -> Answer:
    return as_problem(404, "not_found", "Not Found", detail)


def _done(call: Call, said: str, answer: Answer) -> Answer:
    """Answer a program with JSON, and send a browser that used the page's button back to it."""
    if "text/html" in (call.request.header("Accept") or ""):
        return Answer(303, (("Location", f"{PREFIX}?said={said}"),))
    return answer
