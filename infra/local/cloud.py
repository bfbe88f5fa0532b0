"""The engine of the one-machine cloud: one object that holds it all, and the only thing its front talks to.

The front (gateway, S3 front, control surface, command line) binds its own sockets FIRST, because
their addresses are parameters of the stack, and then calls `Cloud.start`. Nothing here listens on
anything but 127.0.0.1. All instants come from the shared virtual clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class CloudError(Exception):
    """Stops the start with one clear line: stale data folder, undecided property, missing file."""


class InvocationError(Exception):
    """A function raised, timed out, was killed or did not start; `payload` is what Lambda answers."""

    def __init__(self, function: str, payload: Json) -> None:
        super().__init__(f"{function}: {payload.get('errorType')}: {payload.get('errorMessage')}")
        self.function = function
        self.payload = payload


class NotScheduledError(Exception):
    """`run` of a function that no schedule names (or that does not exist)."""


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
    swagger: Json  # DefinitionBody of RestAPI, intrinsics unresolved (as in sam.yaml)
    template: Json  # the translated template (out/cfn.json)
    physical: Mapping[str, str]  # logical id -> what Ref gives (table, bucket name, queue URL, ...)
    parameters: Mapping[str, str]  # template parameters in force, defaults included
    url: str  # of moto, e.g. http://127.0.0.1:40123 (the S3 front's upstream)

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
        """Create or reopen the cloud of `data_dir` from `out_dir` (sam.yaml, cfn.json, zip).

        `s3_url` is what functions get as AWS_ENDPOINT_URL_S3 (the S3 front), `environment` is added
        to that of every function. Raises CloudError with one clear line.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Wait shortly for what runs, end the workers, close the data."""

    # functions -----------------------------------------------------------------------------------
    def invoke(self, function: str, event: Any) -> Any:
        """Run a function and return what it returned; raises InvocationError."""

    def schedules(self) -> list[Schedule]: ...

    def schedule_mode(self) -> str:
        """`automatic` or `manual`."""

    def set_schedule_mode(self, mode: str) -> None:
        """Raises ValueError for any other word."""

    def run(self, function: str) -> Any:
        """Run a scheduled function now; raises NotScheduledError or InvocationError."""

    def settle(self) -> None:
        """Run queues, streams, notifications and the outbox until nothing is left to do now."""

    # clock ---------------------------------------------------------------------------------------
    def now(self) -> str:
        """The virtual instant as ISO text with microseconds, UTC."""

    def advance(self, seconds: float) -> None:
        """Wait until nothing runs, run each due schedule once at its due time, then arrive.

        Raises ValueError for a negative number.
        """

    def freeze(self, frozen: bool) -> None:
        """Stop the clock where it stands, or let it go on from there."""

    # what a test may look at -----------------------------------------------------------------------
    def calls(self, since: int = 0, function: str | None = None) -> list[Json]:
        """Rows {seq, at, function, service, action, table, units} with seq > since."""

    def add_fault(self, fault: Mapping[str, Any]) -> None:
        """{service?, action?, function?, nth, times, kind}; raises ValueError, naming the field."""

    def clear_faults(self) -> None: ...

    def mail(self, to: str | None = None) -> list[Json]:
        """Mails sent: {to, from, subject, class, headers, text, html, raw, at}, oldest first."""

    def receive_mail(self, raw: bytes) -> str:
        """Put a message where the receipt rule would; returns its object key."""

    def dump(self) -> Json:
        """{"tables": {logical id: {"name", "items": [...]}}, "buckets": {logical: {"name", "keys"}}}.

        Items are in DynamoDB's JSON.
        """

    def object(self, bucket: str, key: str) -> tuple[bytes, str]:
        """Body and content type; bucket by logical id or name; raises KeyError."""

    def logs(self, function: str | None = None) -> list[Json]:
        """{at, function, request_id, line} of what functions wrote to stdout and stderr."""

    def queues(self) -> Json:
        """{logical id: {"name", "messages": [{"id", "body", "attributes", "visible"}]}}."""

    def requests(self) -> list[Json]:
        """Requests of functions to anything but AWS: {at, function, method, url, headers, body}."""

    # for the S3 front and for seeding ----------------------------------------------------------------
    def client(self, service: str) -> Any:
        """A boto3 client of the cloud with the operator's credentials: not in `calls`."""

    def secret_of(self, access_key: str) -> tuple[str, str | None] | None:
        """(secret key, session token or None) of a key that may sign S3 links, or None."""

    def read_object(self, bucket: str, key: str) -> tuple[Any, int] | None:
        """An open binary file of its own and its length, for streaming; None if absent."""

    def function_environment(self, function: str) -> dict[str, str]:
        """What the stack resolved for a function: names of tables, buckets, queues, keys.

        With `operator_environment()` a command like `python -m infra.admin` runs against the cloud.
        """

    def operator_environment(self) -> dict[str, str]:
        """AWS_* variables (endpoint, region, operator's credentials) for a child process."""

    def on_clock(self, moved: Callable[[], None]) -> None:
        """Have `moved` called after each advance or freeze (the simulator, the rate windows)."""

    clock_file: Path  # for `infra.local.clock.follow` in other processes
