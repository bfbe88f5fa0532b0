"""The whole local cloud as `make run` starts it: one process tree, from the packaged artifact."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
import time_machine
from botocore.config import Config

from infra.local.front.ports import Reserved
from infra.local.front.run import DidNotStart, LocalCloud
from infra.local.names import OPERATOR_KEY, OPERATOR_SECRET, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def met() -> list[httpx.Response]:
    """What somebody meets who opens a form before the cloud said that it runs."""
    return []


@pytest.fixture(scope="module")
def cloud(met: list[httpx.Response]) -> Iterator[LocalCloud]:
    port, started = Reserved().release(), threading.Event()
    visitor = threading.Thread(target=knock, args=(f"http://localhost:{port}", started, met))
    visitor.start()
    try:
        with LocalCloud(port=port) as running:
            started.set()
            yield running
    finally:
        started.set()
        visitor.join()


def knock(app: str, started: threading.Event, met: list[httpx.Response]) -> None:
    while not started.wait(0.05):
        with contextlib.suppress(httpx.ConnectError):
            met.append(httpx.get(f"{app}/register"))


def bucket_of(cloud: LocalCloud) -> str:
    return str(cloud.control.dump()["buckets"]["LogsBucket"]["name"])


def link(cloud: LocalCloud, method: str, key: str, secret: str = OPERATOR_SECRET) -> str:
    """Sign a link for 300 seconds, at the cloud's own time."""
    client = boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=cloud.s3,
        aws_access_key_id=OPERATOR_KEY,
        aws_secret_access_key=secret,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    params = {"Bucket": bucket_of(cloud), "Key": key}
    with time_machine.travel(instant(cloud.control.now()), tick=False):
        return str(client.generate_presigned_url(method, params, ExpiresIn=300))


def children(pid: int) -> list[int]:
    """Return the ids of all processes below one, as the kernel lists them."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(int(child))]
    return found


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


class TestStarting:
    def test_a_form_is_there_or_said_to_be_starting_and_never_broken(
        self, cloud: LocalCloud, met: list[httpx.Response]
    ) -> None:
        early = [answer for answer in met if answer.status_code == 503]
        assert early
        assert {answer.status_code for answer in met} <= {200, 503}
        assert met == early + met[len(early) :], "what was there once stays there"
        assert all(answer.headers["retry-after"] == "2" for answer in early)
        assert all("Cetrus is starting." in answer.text for answer in early)

    def test_the_address_is_told_once_its_forms_are_there(self, cloud: LocalCloud) -> None:
        assert cloud.output().count(cloud.app) == 2
        assert httpx.get(f"{cloud.app}/register").status_code == 200


class TestServing:
    def test_pages_and_problems_come_through_the_front_door(self, cloud: LocalCloud) -> None:
        for path in ("/status", "/api/status"):
            answer = httpx.get(cloud.app + path, headers={"Accept": "text/html"})
            assert answer.status_code == 200, answer.text
            assert "max-age" in answer.headers["strict-transport-security"]
        unknown = httpx.get(f"{cloud.app}/v1/nope")
        assert unknown.status_code == 404
        assert unknown.headers["content-type"] == "application/problem+json"
        assert unknown.json()["code"] == "not_found"
        browser = httpx.get(f"{cloud.app}/nope", headers={"Accept": "text/html,*/*;q=0.8"})
        assert browser.headers["content-type"].startswith("text/html")

    def test_the_seed_says_where_everything_is(self, cloud: LocalCloud) -> None:
        seed = cloud.control.seed()
        assert seed["urls"] == {"app": cloud.app, "s3": cloud.s3, "processor": cloud.processor}
        assert cloud.app.startswith("http://localhost:")
        assert cloud.s3.startswith("http://127.0.0.1:")
        assert cloud.processor.startswith("http://127.0.0.1:")
        assert "api_handler" in seed["functions"]
        assert {limit["name"] for limit in seed["limits"]} == {"requests", "credentials"}
        assert {"role", "login", "password"} <= set(seed["sign_ins"][0])

    def test_only_this_machine_is_listened_to(self, cloud: LocalCloud) -> None:
        # Local addresses of listening sockets, in the kernel's own notation.
        listening = [
            line.split()[1]
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
            if line.split()[3] == "0A"
        ]
        for url in (cloud.app, cloud.s3, cloud.processor):
            port = f"{httpx.URL(url).port:04X}"
            assert [where for where in listening if where.endswith(f":{port}")] == [
                f"0100007F:{port}"
            ]

    def test_the_page_shows_what_runs(self, cloud: LocalCloud) -> None:
        page = httpx.get(f"{cloud.app}/_local/").text
        assert "mail_sweep" in page
        assert cloud.processor in page

    def test_one_clock_for_all(self, cloud: LocalCloud) -> None:
        before = instant(cloud.control.now())
        cloud.control.advance(86_400)
        assert (instant(cloud.control.now()) - before).total_seconds() >= 86_400
        answered = parsedate_to_datetime(httpx.get(cloud.app).headers["date"])
        assert (answered - before).total_seconds() >= 86_399
        processor = httpx.get(cloud.processor + "/_sim/", headers={"Accept": "application/json"})
        assert processor.status_code == 200


class TestLinks:
    def test_a_link_works_for_its_time_and_for_nobody_who_forges_it(
        self, cloud: LocalCloud
    ) -> None:
        put = httpx.put(link(cloud, "put_object", "front/a b"), content=b"0123456789")
        assert put.status_code == 200, put.text
        assert cloud.control.object("LogsBucket", "front/a b") == b"0123456789"
        forged = httpx.get(link(cloud, "get_object", "front/a b", secret="guessed"))
        assert "SignatureDoesNotMatch" in forged.text
        good = link(cloud, "get_object", "front/a b")
        part = httpx.get(good, headers={"Range": "bytes=3-5"})
        assert (part.status_code, part.content) == (206, b"345")
        cloud.control.advance(301)
        late = httpx.get(good)
        assert (late.status_code, "Request has expired" in late.text) == (403, True)


class TestLife:
    def test_a_second_run_on_the_same_folder_is_refused(self, cloud: LocalCloud) -> None:
        with pytest.raises(DidNotStart, match="in use by another run"):
            LocalCloud(data=cloud.data).start()

    def test_a_restart_and_a_kill_keep_data_ports_and_time(self, cloud: LocalCloud) -> None:
        urls, before = cloud.control.seed()["urls"], instant(cloud.control.now())
        seeded: Any = cloud.control.seed()["sign_ins"]
        for end in (cloud.stop, cloud.kill):
            assert cloud._process
            pids = [cloud._process.pid, *children(cloud._process.pid)]
            assert len(pids) > 1
            end()
            deadline = time.monotonic() + 5
            while any(map(alive, pids)) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not any(map(alive, pids))
            cloud.start()
            assert cloud.control.seed()["urls"] == urls
            assert cloud.control.seed()["sign_ins"] == seeded
            assert cloud.control.object("LogsBucket", "front/a b") == b"0123456789"
            assert instant(cloud.control.now()) > before
