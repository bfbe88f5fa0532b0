"""Puts one local cloud together, in this process, and takes it apart again."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.errors import CloudError
from infra.local.front.control import Control
from infra.local.front.door import FrontDoor
from infra.local.front.folder import DataFolder, StartError, open_folder
from infra.local.front.gateway import Gateway
from infra.local.front.gateway_responses import EXTENSION, resolved
from infra.local.front.http import HOST, Answer, Request, Server, serve
from infra.local.front.limits import NetworkLimits
from infra.local.front.ports import listen_near, listen_on, reserve_near
from infra.local.front.s3 import Backend, S3Handler
from infra.local.front.visits import VisitorLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from infra.local.cloud import Cloud
    from infra.local.front.processor import Processor

API_FUNCTION = "api_handler"
MAIL_DOMAIN = "cetrus.test"
STARTING = Answer(
    503,
    (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Retry-After", "2"),
    ),
    b'<!doctype html><html lang="en"><meta http-equiv="refresh" content="2"><title>Starting</title>'
    b"<p>Cetrus is starting. This page looks again every two seconds.</p></html>",
)


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked for; port 0 is any free one."""

    out: Path
    data: Path
    port: int = 0
    package: Callable[[], None] = lambda: None
    """Brings `out` up to date, once nothing else is in the way."""
    results: bool = True
    """Whether the proof page shows what `make promises` last found here."""


@dataclass(frozen=True, slots=True)
class Running:
    """A cloud that serves: where, and what is seeded in it."""

    urls: dict[str, str]
    seed: dict[str, Any]


class Later:
    """Answers 503 with a plain page until the cloud is up and seeded, whoever asks for what."""

    def __init__(self) -> None:
        self.door: FrontDoor | None = None

    def answer(self, request: Request) -> Answer:
        return self.door.answer(request) if self.door else STARTING


@contextmanager
def running_cloud(options: Options) -> Iterator[Running]:
    """Start everything and yield once it serves; at the end stop all of it and keep the data.

    Raises StartError with one line where something is in the way.
    """
    with ExitStack() as stack:
        folder = open_folder(options.data)
        stack.callback(folder.close)
        yield _start(options, folder, stack)


def _start(options: Options, folder: DataFolder, stack: ExitStack) -> Running:
    ports = folder.read("ports") or {}
    later = Later()
    app = _listen(options.port, ports.get("app"), later)
    stack.callback(app.stop)
    app.start()
    s3_backend = _LateBackend()
    s3 = listen_near(ports.get("s3"), lambda port: Server(s3_backend.handler, port))
    stack.callback(s3.stop)
    reserved = reserve_near(ports.get("processor"))
    stack.callback(reserved.release)
    folder.write("ports", {"app": app.port, "s3": s3.port, "processor": reserved.port})
    urls = {
        "app": f"http://localhost:{app.port}",
        "s3": f"http://{HOST}:{s3.port}",
        "processor": f"http://{HOST}:{reserved.port}",
    }
    options.package()
    if folder.read("seed") is None:
        folder.clear()  # what a start that ended before its seeding was done has left
    cloud = _start_engine(options, folder, urls)
    stack.callback(cloud.stop)
    s3_backend.backend = s3_backend_of(cloud)
    s3.start()
    from infra.local.front.processor import running_processor

    processor = stack.enter_context(running_processor(cloud, folder.processor, reserved.release()))
    visits = visitor_log_of(cloud)
    stack.callback(visits.stop)
    limits = NetworkLimits()
    seed = {
        **_seeded(options, folder, cloud, processor, urls),
        # Last, because they are of this run: a port may have changed since the seeding.
        "urls": urls,
        "functions": list(cloud.functions),
        "limits": limits.described(),
    }
    control = Control(cloud, seed, app.port, deliver=processor.deliver, write_logs=visits.deliver)
    visits.start()
    # Not before it is seeded: until then the forms lack the secrets that they are signed with.
    later.door = FrontDoor(gateway_of(cloud), control, limits, watcher=visits.watch)
    operator = {**cloud.function_environment(API_FUNCTION), **cloud.operator_environment()}
    where = {
        "pid": os.getpid(),
        "urls": urls,
        "clock": str(cloud.clock_file),
        # What `python -m infra.admin` needs to work on this cloud.
        "operator": operator,
    }
    folder.write("running", where)
    return Running(urls, seed)


def _listen(port: int, remembered: Any, later: Later) -> Server:
    def make(port: int) -> Server:
        return serve(later.answer, port)

    return listen_on(port, make) if port else listen_near(remembered, make)


class _LateBackend:
    """Binds the S3 front's socket before moto's address is known; it serves only after."""

    def __init__(self) -> None:
        self.backend: Backend | None = None

    def handler(self, *args: Any) -> S3Handler:
        if self.backend is None:
            raise RuntimeError("the S3 front serves before the cloud runs")
        return S3Handler(self.backend, *args)


def _start_engine(options: Options, folder: DataFolder, urls: Mapping[str, str]) -> Cloud:
    from infra.local.cloud import Cloud

    parameters = {
        "Stage": "local",
        "BaseUrl": urls["app"],
        "MailDomain": MAIL_DOMAIN,
        "AlarmEmail": f"operator@{MAIL_DOMAIN}",
        "ProcessorApi": urls["processor"],
        "ProcessorOrigin": urls["processor"],
    }
    try:
        return Cloud.start(options.out, folder.cloud, parameters, s3_url=urls["s3"])
    except CloudError as error:
        raise StartError(str(error)) from error


def s3_backend_of(cloud: Cloud) -> Backend:
    return Backend(cloud.url, cloud.secret_of, cloud.read_object, _CorsRules(cloud).of)


class _CorsRules:
    """Reads the CORS rules of a bucket, as its configuration says now."""

    def __init__(self, cloud: Cloud) -> None:
        self.client = cloud.client("s3")

    def of(self, bucket: str) -> list[dict[str, Any]]:
        try:
            return list(self.client.get_bucket_cors(Bucket=bucket)["CORSRules"])
        except self.client.exceptions.ClientError:
            return []  # no such bucket, or one without rules: nothing is allowed


def gateway_of(cloud: Cloud) -> Gateway:
    """Make the gateway of the template: routes from its Swagger, faults from its translation."""
    body = cloud.template["Resources"]["RestAPI"]["Properties"].get("Body") or {}
    responses = resolved(body.get(EXTENSION) or {}, cloud.parameters)
    swagger = {**cloud.swagger, EXTENSION: responses}
    return Gateway(swagger, lambda event: cloud.invoke(API_FUNCTION, event))


def visitor_log_of(cloud: Cloud) -> VisitorLog:
    """The front door's log, delivered into the bucket that the template keeps for it."""
    bucket = cloud.physical["VisitorLogsBucket"]

    def put(key: str, body: bytes) -> None:
        cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    return VisitorLog(put, cloud.clock.seconds)


def _seeded(
    options: Options, folder: DataFolder, cloud: Cloud, processor: Processor,
    urls: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """Seed a new folder, once; the results of the tests are published at each start."""
    from infra.local.front.processor import new_secrets
    from infra.local.seed import publish_results, seed

    known = folder.read("seed")
    if known is None:
        try:
            known = seed(cloud, {"urls": urls, **new_secrets()})
        except CloudError as error:
            raise StartError(f"The cloud could not be seeded: {error}") from error
        folder.write("seed", known)
    try:
        if options.results:
            publish_results(cloud)
    except CloudError as error:
        raise StartError(f"The results of the tests could not be published: {error}") from error
    processor.trust(urls["app"])
    return known
