"""The engine of the one-machine cloud: one object that holds it all, and all that its front knows.

The front (gateway, S3 front, control surface, command line) binds its own sockets FIRST, because
their addresses are parameters of the stack, and then calls `Cloud.start`. Nothing here listens on
anything but 127.0.0.1. All instants come from the shared virtual clock, which the process that
starts a cloud follows from then on; so there is one cloud in a process.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import CloudError, InvocationError, NotScheduledError, StaleDataError
from .folder import hold, iso, leave_process, read_template, swagger_of, take_process
from .names import OPERATOR_KEY, OPERATOR_SECRET, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .functions import Functions
    from .runtime import Worker

__all__ = [
    "Cloud",
    "CloudError",
    "InvocationError",
    "NotScheduledError",
    "Schedule",
    "StaleDataError",
]

Json = dict[str, Any]
API = "api_handler"
Variables = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule: its function (or queue), expression, and the next due instant (ISO, UTC)."""

    name: str
    function: str
    expression: str
    due: str


class Cloud:
    """The running cloud. Methods may be called from any thread."""

    functions: Sequence[str]  # "api_handler", "mail_sender", ...
    swagger: Json  # Body of RestAPI, intrinsics unresolved
    template: Json  # the translated template (out/cfn.json)
    physical: Mapping[str, str]  # logical id -> what Ref gives (table, bucket name, queue URL, ...)
    parameters: Mapping[str, str]  # template parameters in force, defaults included
    outputs: Mapping[str, str]  # the template's outputs
    url: str  # of moto, e.g. http://127.0.0.1:40123 (the S3 front's upstream)
    clock_file: Path  # for `infra.local.clock.follow` in other processes

    @classmethod
    def start(
        cls,
        out_dir: Path,
        data_dir: Path,
        parameters: Mapping[str, str],
        *,
        s3_url: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Cloud:
        """Create or reopen the cloud of `data_dir` from `out_dir` (cfn.json, deployment.zip).

        `s3_url` is what functions get as AWS_ENDPOINT_URL_S3 (the S3 front), `environment` is added
        to that of every function. Raises CloudError with one clear line.
        """
        cloud = cls()
        try:
            s3 = {"AWS_ENDPOINT_URL_S3": s3_url} if s3_url else {}
            more = {**(environment or {}), **s3}
            cloud._open(out_dir.resolve(), data_dir.resolve(), parameters, more)
        except BaseException:
            cloud.stop()
            raise
        return cloud

    def __init__(self) -> None:
        self._closers: list[Callable[[], object]] = []
        self._listeners: list[Callable[[], None]] = []
        self._clients: dict[str, Any] = {}
        self._functions: Functions | None = None

    # starting and stopping -----------------------------------------------------------------------

    def _open(self, out: Path, data: Path, parameters: Mapping[str, str], more: Variables) -> None:
        self.template = read_template(out)
        self._open_data(data)
        self._open_moto()
        self._create_stack(parameters)
        self._open_functions(out, data, more)

    def _open_data(self, data: Path) -> None:
        from .clock import SharedClock, follow, unfollow
        from .store import Store

        self._closers.append(hold(data).close)
        self.store = Store(data)
        self._closers.append(self.store.close)
        self.clock_file = data / "clock"
        self.clock = SharedClock(self.clock_file)
        follow(self.clock_file)
        self._closers.append(unfollow)

    def _open_moto(self) -> None:
        from . import dynamo
        from .calls import CallLog
        from .faults import Faults
        from .judge import Judge
        from .keeper import Keeper
        from .mail import Inbox
        from .reports import Reported
        from .server import CloudServer

        take_process()
        self._closers.append(leave_process)
        self._inbox = Inbox(self.store, self.now)
        self._keeper = Keeper(self.store, self._inbox)
        self._log, self._faults = CallLog(self.now), Faults()
        self._reported = Reported(self.now, self._log, self._faults)
        self._server = CloudServer(
            self._log, self._faults, self._keeper, Judge({}, {}), self._worker_of
        )
        self._closers.append(self._server.close)
        self.url = self._server.url
        dynamo.install(_nobody)
        self._closers.append(functools.partial(dynamo.install, _nobody))

    def _create_stack(self, parameters: Mapping[str, str]) -> None:
        from . import dynamo
        from .judge import Judge
        from .stack import Stack

        stack = Stack(self.template, parameters, self.store.seed(), self.client)
        self._plan = stack.create()
        self.judge = Judge(self._plan.policies, self._plan.denials)
        self._server.judge = self.judge
        self.physical, self.parameters = stack.physical, stack.resolver.parameters
        self.outputs, self.swagger = stack.outputs(), swagger_of(self.template)
        self.functions = sorted(self._plan.functions)
        self._keeper.load(self._plan.keys)
        dynamo.install(self._keeper.keep_items)

    def _open_functions(self, out: Path, data: Path, more: Variables) -> None:
        from .events import Events
        from .functions import Functions
        from .package import runtime_folder, unzip
        from .sessions import Sessions

        self._unpacked = data / "task"
        task = unzip(out / "deployment.zip", self._unpacked)
        self._sessions = Sessions(
            {
                "AWS_ENDPOINT_URL": self.url,
                **more,
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "LOCAL_CLOCK": str(self.clock_file),
                "LOCAL_RUNTIME": str(runtime_folder(data / "runtime")),
                "LOCAL_HOSTS": " ".join(
                    address.removeprefix("http://")
                    for address in (self.url, more.get("AWS_ENDPOINT_URL_S3", ""))
                ),
            }
        )
        running = Functions(self._plan.functions, task, self._sessions.open, self._reported)
        self._functions = running
        self._closers.append(running.stop)
        if API in self._plan.functions:
            running.start_worker(API)
        self._events = Events(self._plan, running, self.clock, self.store, self._keeper, self._send)
        self._closers.append(self._events.stop)
        self._events.begin()

    def stop(self) -> None:
        """Wait shortly for what runs, end the workers, close the data."""
        if self._functions is not None and API in self._plan.functions:
            self.judge.keep({name: spec.role for name, spec in self._plan.functions.items()})
        while self._closers:
            self._closers.pop()()
        while self._clients:
            self._clients.popitem()[1].close()

    # functions -----------------------------------------------------------------------------------

    def invoke(self, function: str, event: Any) -> Any:
        """Run a function and return what it returned; raises InvocationError."""
        if self._functions is None:
            raise CloudError("the cloud has not started")
        return self._functions.invoke(function, event)

    def deploy(self, archive: Path) -> None:
        """Run functions from another package from now on, until a restart; raises CloudError."""
        from .package import unzip

        if self._functions is None or not zipfile.is_zipfile(archive):
            raise CloudError(f"{archive} is no deployment package")
        # What still runs from the package before goes on reading its folder.
        self._functions.deploy(unzip(archive, self._unpacked, alone=False))

    def _worker_of(self, access_key: str) -> Worker | None:
        return self._functions.worker_of(access_key) if self._functions else None

    def _send(self, url: str, body: str) -> None:
        self.client("sqs").send_message(QueueUrl=url, MessageBody=body)

    def schedules(self) -> list[Schedule]:
        return [
            Schedule(
                job.rule.name,
                job.rule.function or job.rule.queue or "",
                job.rule.expression,
                iso(job.due),
            )
            for job in self._events.schedules.jobs
        ]

    def schedule_mode(self) -> str:
        """`automatic` or `manual`."""
        return self._events.schedules.mode

    def set_schedule_mode(self, mode: str) -> None:
        """Raises ValueError for any other word; manual schedules run by `run` alone."""
        self._events.schedules.set_mode(mode)

    def run(self, function: str) -> Any:
        """Run a scheduled function now; raises NotScheduledError or InvocationError."""
        return self._events.schedules.run(function)

    def settle(self) -> None:
        """Run queues, notifications and the outbox until nothing is left to do now."""
        self._events.settle()

    # clock ---------------------------------------------------------------------------------------

    def now(self) -> str:
        """The virtual instant as ISO text with microseconds, UTC."""
        return self.clock.now().isoformat(timespec="microseconds")

    def advance(self, seconds: float) -> None:
        """Wait until nothing runs, run each due schedule once at its due time, then arrive.

        Raises ValueError for a negative number.
        """
        self._events.schedules.advance(seconds)
        self._moved()

    def freeze(self, frozen: bool) -> None:
        """Stop the clock where it stands, or let it go on from there."""
        self.clock.freeze(frozen)
        self._moved()

    def on_clock(self, moved: Callable[[], None]) -> None:
        """Have `moved` called after each advance or freeze (the simulator, the rate windows)."""
        self._listeners.append(moved)

    def _moved(self) -> None:
        self._events.wake()
        for listener in self._listeners:
            listener()

    # what a test may look at ---------------------------------------------------------------------

    def calls(self, since: int = 0, function: str | None = None) -> list[Json]:
        """Rows {seq, at, function, service, action, table, units} with seq > since."""
        return self._log.rows(since, function)

    def add_fault(self, fault: Mapping[str, Any]) -> None:
        """{service?, action?, function?, nth, times, kind}; raises ValueError, naming the field."""
        self._faults.add(fault)

    def clear_faults(self) -> None:
        self._faults.clear()

    def mail(self, to: str | None = None) -> list[Json]:
        """Mails sent: {to, from, subject, class, headers, text, html, raw, at}, oldest first."""
        return self._inbox.mails(to)

    def receive_mail(self, raw: bytes) -> str:
        """Put a message where the receipt rule would; returns its object key."""
        import secrets

        if self._plan.inbound is None:
            raise CloudError("the template has no receipt rule")
        bucket, prefix = self._plan.inbound
        key = prefix + secrets.token_hex(20)
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=raw)
        return key

    def dump(self) -> Json:
        """{"tables": {logical id: {"name", "items"}}, "buckets": {logical id: {"name", "keys"}}}.

        Items are in DynamoDB's JSON.
        """
        from . import views

        return views.dump(self.template, self.physical)

    def object(self, bucket: str, key: str) -> tuple[bytes, str]:
        """Body and content type; bucket by logical id or name; raises KeyError."""
        from . import views

        found = views.find_object(self.physical.get(bucket, bucket), key)
        if found is None:
            raise KeyError(key)
        return found.value, str(found.metadata.get("content-type", "binary/octet-stream"))

    def read_object(self, bucket: str, key: str) -> tuple[Any, int] | None:
        """An open binary file of its own and its length, for streaming; None if absent."""
        from . import views

        return views.open_object(self.store, bucket, key)

    def logs(self, function: str | None = None) -> list[Json]:
        """{at, function, request_id, line} of what functions wrote to stdout and stderr."""
        return [line for line in list(self._reported.lines) if function in {None, line["function"]}]

    def queues(self) -> Json:
        """{logical id: {"name", "messages": [{"id", "body", "attributes", "visible"}]}}."""
        from . import views

        return views.queues(self.template, self.physical)

    def requests(self) -> list[Json]:
        """Requests of functions to anything but AWS: {at, function, method, url, headers, body}."""
        return list(self._reported.requests)

    # for the S3 front and for seeding ------------------------------------------------------------

    def client(self, service: str) -> Any:
        """A boto3 client of the cloud with the operator's credentials: not in `calls`."""
        from botocore.config import Config

        if service not in self._clients:
            self._clients[service] = _boto().client(
                service,
                endpoint_url=self.url,
                region_name=REGION,
                aws_access_key_id=OPERATOR_KEY,
                aws_secret_access_key=OPERATOR_SECRET,
                config=Config(
                    signature_version="s3v4" if service == "s3" else None,
                    retries={"total_max_attempts": 1},
                    max_pool_connections=20,
                ),
            )
        return self._clients[service]

    def secret_of(self, access_key: str) -> tuple[str, str | None] | None:
        """(secret key, session token or None) of a key that may sign S3 links, or None."""
        return self._sessions.secret_of(access_key)

    def function_environment(self, function: str) -> dict[str, str]:
        """What the stack resolved for a function: names of tables, buckets, queues, keys.

        With `operator_environment()` a command like `python -m infra.admin` runs against the cloud.
        """
        return dict(self._plan.functions[function].environment)

    def operator_environment(self) -> dict[str, str]:
        """AWS_* variables (endpoint, region, operator's credentials) for a child process."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": OPERATOR_KEY,
            "AWS_SECRET_ACCESS_KEY": OPERATOR_SECRET,
            "AWS_EC2_METADATA_DISABLED": "true",
            "LOCAL_CLOCK": str(self.clock_file),
        }


@functools.cache
def _boto() -> Any:
    """One session, so that service descriptions are read once."""
    import boto3

    return boto3.session.Session()


def _nobody(changes: object) -> None:
    """Hear of changes to tables, and do nothing."""
    del changes
