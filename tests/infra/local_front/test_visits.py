"""The front door's visitor logs: which lines are written, what stands in them, when they arrive."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.visits.classes import FIELDS, PATTERNS
from infra.local.front import visits
from infra.local.front.door import FrontDoor
from infra.local.front.http import Answer, Request, serve
from infra.local.front.limits import NetworkLimits
from infra.local.front.visits import Line, VisitorLog, line_of, origin_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.guarantee("G9")

AT = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC
TOKEN = "q7Jx0mW3tZ8vB2nL5kR9"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def asking(path: str, method: str = "GET", **headers: str) -> Request:
    sent = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method, path, sent, b"", "127.0.0.1")


class Bucket:
    """Keeps what is delivered, in the order of delivery."""

    def __init__(self) -> None:
        self.files: list[tuple[str, list[Line]]] = []
        self.log = VisitorLog(self.put, lambda: AT)

    def put(self, key: str, body: bytes) -> None:
        self.files.append((key, [json.loads(x) for x in gzip.decompress(body).splitlines()]))

    @property
    def lines(self) -> list[Line]:
        return [line for _, lines in self.files for line in lines]


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.mark.promise("PS-28")
class TestALine:
    def test_has_the_permitted_fields_in_their_order_and_no_other(self) -> None:
        line = line_of(
            asking(
                "/apps/halyard?utm=1",
                User_Agent=BROWSER,
                Referer="https://news.example/story/7?reader=9",
                X_Forwarded_For="10.9.8.7, 203.0.113.9",
                Cookie="session=secret",
                Authorization="Bearer secret",
            ),
            200,
            AT + 0.9,
        )
        assert tuple(line) == FIELDS
        assert line == {
            "date": "2027-01-15",
            "time": "08:00:00",
            "c-ip": "203.0.113.9",
            "asn": "3215",
            "c-country": "FR",
            "cs-method": "GET",
            "cache-behavior-path-pattern": "/apps/*",
            "sc-status": "200",
            "cs(Referer)": "https://news.example",
            "cs(User-Agent)": BROWSER,
        }

    def test_what_is_missing_is_a_dash(self) -> None:
        line = line_of(asking("/"), 200, AT)
        assert (line["asn"], line["c-country"]) == ("-", "-")
        assert (line["cs(Referer)"], line["cs(User-Agent)"]) == ("-", "-")

    def test_the_viewer_is_the_last_forwarded_address_or_who_connected(self) -> None:
        assert line_of(asking("/"), 200, AT)["c-ip"] == "127.0.0.1"
        forged = asking("/", X_Forwarded_For="198.51.100.1, 2001:db8::7")
        assert line_of(forged, 200, AT)["c-ip"] == "2001:db8::7"
        assert line_of(asking("/", X_Forwarded_For="nonsense"), 200, AT)["c-ip"] == "127.0.0.1"

    @pytest.mark.parametrize(
        "path",
        [
            f"/verify/{TOKEN}",
            f"/reset/{TOKEN}",
            f"/unsubscribe/{TOKEN}",
            f"/orders/{TOKEN}",
            f"/account/downloads/{TOKEN}",
            f"/v1/leases/{TOKEN}/end",
            f"/{TOKEN}",
            f"/login/{TOKEN}",
            f"/exit?to={TOKEN}",
            f"//{TOKEN}/verify",
            f"/verify/%2e%2e/{TOKEN}\n",
        ],
    )
    def test_no_token_in_a_path_or_query_is_written(self, path: str) -> None:
        line = line_of(asking(path, Referer=f"http://localhost{path}"), 404, AT)
        assert TOKEN not in json.dumps(line)
        assert line["cache-behavior-path-pattern"] in PATTERNS

    @given(st.text(st.characters(codec="utf-8", exclude_characters="?")))
    def test_a_path_class_is_one_of_the_listed_whatever_is_asked_for(self, path: str) -> None:
        line = line_of(asking("/" + path), 200, AT)
        assert line["cache-behavior-path-pattern"] in PATTERNS

    @given(st.text(), st.text())
    def test_a_line_is_one_line_of_json_whatever_headers_say(self, agent: str, origin: str) -> None:
        line = line_of(asking("/", User_Agent=agent, Referer=origin), 200, AT)
        (one,) = gzip.decompress(visits.file_of([line])).splitlines()
        assert json.loads(one) == line
        assert line["cs(User-Agent)"].isascii()
        assert line["cs(User-Agent)"].isprintable()


class TestOrigin:
    @pytest.mark.parametrize(
        ("referrer", "origin"),
        [
            ("https://news.example", "https://news.example"),
            ("https://News.Example:8443/a?b#c", "https://news.example:8443"),
            ("https://jane:pw@news.example/a", "https://news.example"),
            ("http://[2001:db8::1]/a", "http://[2001:db8::1]"),
            ("android-app://com.example/", "-"),
            ("news.example/a", "-"),
            ("https://[broken", "-"),
            ("https://news.example:port/", "-"),
            ("https://", "-"),
            ("", "-"),
            (None, "-"),
        ],
    )
    def test_a_referrer_is_its_origin_alone(self, referrer: str | None, origin: str) -> None:
        assert origin_of(referrer) == origin


class TestDelivery:
    def test_nothing_is_delivered_before_it_is_asked_for(self, bucket: Bucket) -> None:
        bucket.log.watch(asking("/"), Answer(200), AT)
        assert bucket.files == []
        assert bucket.log.deliver() == 1
        assert len(bucket.lines) == 1

    def test_each_request_is_delivered_once(self, bucket: Bucket) -> None:
        for path in ("/", "/apps"):
            bucket.log.watch(asking(path), Answer(200), AT)
            bucket.log.deliver()
        assert bucket.log.deliver() == 0
        classes = [line["cache-behavior-path-pattern"] for line in bucket.lines]
        assert classes == ["/", "/apps"]

    def test_a_file_stands_under_the_hour_of_its_requests(self, bucket: Bucket) -> None:
        for hours in (0, 1, 17):
            bucket.log.watch(asking("/"), Answer(200), AT + hours * 3600)
        bucket.log.deliver()
        folders = [key.rpartition("/")[0] for key, _ in bucket.files]
        assert folders == ["visits/2027/01/15/08", "visits/2027/01/15/09", "visits/2027/01/16/01"]
        assert len({key for key, _ in bucket.files}) == 3
        assert all(key.endswith(".json.gz") for key, _ in bucket.files)

    def test_a_full_file_is_delivered_at_once(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(visits, "MOST_LINES", 2)
        for _ in range(5):
            bucket.log.watch(asking("/"), Answer(200), AT)
        assert [len(lines) for _, lines in bucket.files] == [2, 2]

    def test_stopping_delivers_what_is_left(self, bucket: Bucket) -> None:
        bucket.log.start()
        bucket.log.watch(asking("/"), Answer(200), AT)
        bucket.log.stop()
        assert len(bucket.lines) == 1

    def test_the_stage_s_own_url_lies_behind_the_edge(self, bucket: Bucket) -> None:
        for path in ("/api", "/api/status", "/apis"):
            bucket.log.watch(asking(path), Answer(200), AT)
        bucket.log.deliver()
        assert [line["cache-behavior-path-pattern"] for line in bucket.lines] == ["*"]


class TestAtTheDoor:
    @pytest.fixture
    def door(self, bucket: Bucket) -> Iterator[str]:
        class Answers:
            def answer(self, request: Request) -> Answer:
                return Answer(404 if "nope" in request.path else 200)

        limits = NetworkLimits((), now=lambda: AT)
        made = FrontDoor(Answers(), Answers(), limits, watcher=bucket.log.watch, now=lambda: AT)
        server = serve(made.answer).start()
        yield f"http://127.0.0.1:{server.port}"
        server.stop()

    def test_every_request_but_those_to_the_control_surface_is_written(
        self, door: str, bucket: Bucket
    ) -> None:
        for path in ("/apps", "/nope", "/_local/clock", "/a" * 5000):
            httpx.get(door + path)
        bucket.log.deliver()
        seen = [(x["cache-behavior-path-pattern"], x["sc-status"]) for x in bucket.lines]
        assert seen == [("/apps", "200"), ("*", "404"), ("*", "414")]
