"""The engine of the one-machine cloud: one object that holds it all, and the only thing its front talks to.

The front (gateway, S3 front, control surface, command line) binds its own sockets FIRST, because
their addresses are parameters of the stack, and then calls `Cloud.start`. Nothing here listens on
anything but 127.0.0.1. All instants come from the shared virtual clock, which the process that
starts a cloud follows from then on; so there is one cloud in a process.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import CloudError, InvocationError, NotScheduledError, StaleDataError
from .names import ACCOUNT, OPERATOR_KEY, OPERATOR_SECRET, REGION

__all__ = [
    "Cloud",
    "CloudError",
    "InvocationError",
    "NotScheduledError",
    "Schedule",
    "StaleDataError",
]

Json = dict[str, Any]
OUTBOX = "mail_sweep"
"""The function that sends what waits in the outbox; `settle` runs it while it gets something done."""


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
            cloud._open(
                out_dir.resolve(), data_dir.resolve(), parameters, s3_url, environment or {}
            )
        except BaseException:
            cloud.stop()
            raise
        return cloud

    def __init__(self) -> None:
        self._closers: list[Callable[[], object]] = []
        self._lines: deque[Json] = deque(maxlen=200_000)
        self._requests: list[Json] = []
        self._listeners: list[Callable[[], None]] = []
        self._clients: dict[str, Any] = {}
        self._secrets: dict[str, tuple[str, str | None]] = {OPERATOR_KEY: (OPERATOR_SECRET, None)}

    # starting and stopping -----------------------------------------------------------------------

    def _open(
        self,
        out: Path,
        data: Path,
        parameters: Mapping[str, str],
        s3_url: str | None,
        environment: Mapping[str, str],
    ) -> None:
        self.template = _read_template(out)
        self._open_data(data)
        self._open_moto()
        self._create_stack(parameters)
        self._open_functions(out, data, s3_url, environment)
        self._open_events()

    def _open_data(self, data: Path) -> None:
        from .clock import SharedClock, follow, unfollow
        from .store import Store

        data.mkdir(parents=True, exist_ok=True)
        self._closers.append(_lock(data / "lock").close)
        self.store = Store(data)
        self._closers.append(self.store.close)
        self.clock_file = data / "clock"
        self.clock = SharedClock(self.clock_file)
        follow(self.clock_file)
        self._closers.append(unfollow)
        _forget_other_clouds()

    def _open_moto(self) -> None:
        from . import dynamo
        from .calls import CallLog
        from .faults import Faults
        from .judge import Judge
        from .keeper import Keeper
        from .mail import Inbox
        from .server import CloudServer

        self._inbox = Inbox(self.store, self.now)
        self._keeper = Keeper(self.store, self._inbox, self._notify, self._wake)
        self._log, self._faults = CallLog(self.now), Faults()
        self._functions: Any = None
        self._pollers: list[Any] = []
        self._later: Any = None
        self._schedules: Any = None
        self._server = CloudServer(
            self._log, self._faults, self._keeper, Judge({}, {}), self._worker_of
        )
        self._closers.append(self._server.close)
        self.url = self._server.url
        dynamo.install(lambda changes: None)
        self._closers.append(lambda: dynamo.install(lambda changes: None))

    def _create_stack(self, parameters: Mapping[str, str]) -> None:
        from . import dynamo
        from .judge import Judge
        from .stack import Stack

        stack = Stack(self.template, parameters, self.store.seed(), self.client)
        self._plan = stack.create()
        self.judge = Judge(self._plan.policies, self._plan.denials)
        self._server.judge = self.judge
        self.physical, self.parameters = stack.physical, stack.resolver.parameters
        self.outputs = stack.outputs()
        self.swagger = _swagger(self.template)
        self._keeper.load(self._plan.keys)
        dynamo.install(self._keeper.keep_items)
        self.functions = sorted(self._plan.functions)

    def _open_functions(
        self, out: Path, data: Path, s3_url: str | None, environment: Mapping[str, str]
    ) -> None:
        from .functions import Functions, runtime_folder, unzip

        hosts = [self.url, *([s3_url] if s3_url else [])]
        self._common = {
            **environment,
            "AWS_ENDPOINT_URL": self.url,
            **({"AWS_ENDPOINT_URL_S3": s3_url} if s3_url else {}),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "LOCAL_CLOCK": str(self.clock_file),
            "LOCAL_RUNTIME": str(runtime_folder(data / "runtime")),
            "LOCAL_HOSTS": " ".join(host.removeprefix("http://") for host in hosts),
        }
        task = unzip(out / "deployment.zip", data / "task")
        for old in task.parent.iterdir():
            if old != task:
                shutil.rmtree(old)
        self._functions = Functions(self._plan.functions, task, self._session, self)
        self._closers.append(self._functions.stop)
        if "api_handler" in self._plan.functions:
            self._functions.start_worker("api_handler")

    def _session(self, spec: Any) -> tuple[str, dict[str, str]]:
        """A new session of the function's role, and what its process is told."""
        from moto.sts.models import sts_backends

        role = sts_backends[ACCOUNT]["aws"].assume_role(
            region_name=REGION,
            role_session_name=spec.physical[:60],
            role_arn=f"arn:aws:iam::{ACCOUNT}:role/{spec.role}",
            policy=None,
            duration=3600,
            external_id=None,
        )
        key, secret, token = role.access_key_id, role.secret_access_key, role.session_token
        self._secrets[key] = (secret, token)
        host = self._common["LOCAL_HOSTS"]
        return key, {
            **self._common,
            "LOCAL_HOSTS": host,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_SESSION_TOKEN": token,
        }

    def _open_events(self) -> None:
        from .later import Later
        from .queues import Poller, lock
        from .schedules import Schedules

        def keep() -> None:
            with lock:
                self._keeper.messages.keep()

        self._later = Later(self.store, self.invoke, self.clock.seconds)
        self._closers.append(self._later.stop)
        self._pollers = [Poller(source, self.invoke, keep) for source in self._plan.queues]
        self._closers.extend(poller.stop for poller in self._pollers)
        self._schedules = Schedules(
            self._plan.rules,
            self.clock,
            self.store,
            self._start_rule,
            self._quiet,
            self._functions.still,
        )
        self._closers.append(self._schedules.stop)
        self._schedules.begin()

    def stop(self) -> None:
        """Wait shortly for what runs, end the workers, close the data."""
        while self._closers:
            self._closers.pop()()

    # functions -----------------------------------------------------------------------------------

    def invoke(self, function: str, event: Any) -> Any:
        """Run a function and return what it returned; raises InvocationError."""
        return self._functions.invoke(function, event)

    def _worker_of(self, access_key: str) -> Any:
        return self._functions.worker_of(access_key) if self._functions else None

    def _start_rule(self, rule: Any, event: Any) -> Any:
        if rule.function:
            return self.invoke(rule.function, event)
        url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{rule.queue}"
        self.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(event))
        return None

    def schedules(self) -> list[Schedule]:
        return [
            Schedule(
                job.rule.name,
                job.rule.function or job.rule.queue or "",
                job.rule.expression,
                _iso(job.due),
            )
            for job in self._schedules.jobs
        ]

    def schedule_mode(self) -> str:
        """`automatic` or `manual`."""
        return str(self._schedules.mode)

    def set_schedule_mode(self, mode: str) -> None:
        """Raises ValueError for any other word."""
        self._schedules.set_mode(mode)

    def run(self, function: str) -> Any:
        """Run a scheduled function now; raises NotScheduledError or InvocationError."""
        return self._schedules.run(function)

    def settle(self) -> None:
        """Run queues, notifications and the outbox until nothing is left to do now."""
        self._quiet()
        scheduled = {job.rule.function for job in self._schedules.jobs}
        for _ in range(20 if OUTBOX in scheduled else 0):
            before = self._keeper.commits
            try:
                self.run(OUTBOX)
            except InvocationError:
                return  # its state says when it is due again
            self._quiet()
            if self._keeper.commits == before:
                return

    def _quiet(self) -> None:
        """Serve what waits until a whole round finds nothing and nothing runs."""
        for _ in range(1000):
            self._functions.wait_idle()
            if not any([poller.once() for poller in self._pollers] + [self._later.once()]):
                self._functions.wait_idle()
                return
        raise TimeoutError("queues do not come to rest")

    def _wake(self) -> None:
        for poller in self._pollers:
            poller.wake()

    def _notify(self, events: list[tuple[str, str, str, int, str]]) -> None:
        from .later import matches, notification

        for event, bucket, key, size, etag in events:
            for source in self._plan.buckets:
                if matches(source, event, bucket, key):
                    body = notification(event, bucket, key, size, etag, self.now())
                    self._later.add(source.function, body)

    # clock ---------------------------------------------------------------------------------------

    def now(self) -> str:
        """The virtual instant as ISO text with microseconds, UTC."""
        return self.clock.now().isoformat(timespec="microseconds")

    def advance(self, seconds: float) -> None:
        """Wait until nothing runs, run each due schedule once at its due time, then arrive.

        Raises ValueError for a negative number.
        """
        self._schedules.advance(seconds)
        self._moved()

    def freeze(self, frozen: bool) -> None:
        """Stop the clock where it stands, or let it go on from there."""
        self.clock.freeze(frozen)
        self._moved()

    def on_clock(self, moved: Callable[[], None]) -> None:
        """Have `moved` called after each advance or freeze (the simulator, the rate windows)."""
        self._listeners.append(moved)

    def _moved(self) -> None:
        self._wake()
        self._later.wake()
        for listener in self._listeners:
            listener()

    # what a test may look at -----------------------------------------------------------------------

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
        """{"tables": {logical id: {"name", "items": [...]}}, "buckets": {logical: {"name", "keys"}}}.

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
        return [line for line in list(self._lines) if function in {None, line["function"]}]

    def queues(self) -> Json:
        """{logical id: {"name", "messages": [{"id", "body", "attributes", "visible"}]}}."""
        from . import views

        return views.queues(self.template, self.physical)

    def requests(self) -> list[Json]:
        """Requests of functions to anything but AWS: {at, function, method, url, headers, body}."""
        return list(self._requests)

    # what workers report (runtime.Reports) ---------------------------------------------------------

    def line(self, worker: Any, text: str) -> None:
        self._lines.append(
            {
                "at": self.now(),
                "function": worker.spec.name,
                "request_id": worker.request_id,
                "line": text,
            }
        )

    def argon2(self, worker: Any, action: str) -> str | None:
        """Count a password hash; the fault that strikes it, if any."""
        fault = self._faults.take(worker.spec.name, "argon2", action)
        if fault == "kill":
            worker.kill()
        else:
            self._log.add(worker.spec.name, "argon2", action, None, 0.0)
        return fault

    def request(self, worker: Any, seen: Json) -> None:
        self._requests.append({"at": self.now(), "function": worker.spec.name, **seen})

    # for the S3 front and for seeding ----------------------------------------------------------------

    def client(self, service: str) -> Any:
        """A boto3 client of the cloud with the operator's credentials: not in `calls`."""
        import boto3
        from botocore.config import Config

        if service not in self._clients:
            self._clients[service] = boto3.session.Session().client(
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
        return self._secrets.get(access_key)

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
        }


def _iso(seconds: float) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="microseconds")


def _read_template(out: Path) -> Json:
    for name in ("cfn.json", "deployment.zip"):
        if not (out / name).exists():
            raise CloudError(f"{out / name} is missing: run `make package` first")
    template: Json = json.loads((out / "cfn.json").read_text())
    return template


def _swagger(template: Json) -> Json:
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::ApiGateway::RestApi":
            body: Json = resource["Properties"].get("Body", {})
            return body
    return {}


def _lock(path: Path) -> Any:
    """Hold the data folder: two clouds on one folder would ruin it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise CloudError(f"{path.parent} is in use by another local cloud") from None
    file.write(str(os.getpid()))
    file.flush()
    return file


def _forget_other_clouds() -> None:
    """moto's state is the process's: a cloud started after another begins with none of it."""
    from moto.backends import get_backend
    from moto.core.base_backend import InstanceTrackerMeta

    del InstanceTrackerMeta
    for service in ("dynamodb", "s3", "sqs", "kms", "ssm", "iam", "sts", "sesv2", "ses"):
        get_backend(service).reset()  # type: ignore[call-overload]  # names are given as plain texts
