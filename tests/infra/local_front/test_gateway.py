"""The gateway over real sockets: what a function sees, and what a viewer gets."""

from __future__ import annotations

import base64
import http.client
import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from infra.local.front.answers import BadAnswer, http_answer
from infra.local.front.gateway_responses import choose
from infra.local.front.routes import RouteTable, UnknownSwagger

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.infra.local_front.conftest import Front


def raw(front: Front, data: bytes) -> bytes:
    """Send bytes as they are and return all that comes back until the server closes."""
    address = urlsplit(front.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as sock:
        sock.sendall(data)
        received = b""
        while piece := sock.recv(65536):
            received += piece
    return received


class TestEvent:
    def test_repeated_headers_and_parameters_stand_whole_and_the_last_wins(
        self, front: Front
    ) -> None:
        headers = [("X-Tag", "a"), ("x-tag", "b")]
        front.http.get("/items?n=1&n=2&empty=&plus=a+b%2B", headers=headers)
        event = front.events[0]
        assert event["multiValueHeaders"]["X-Tag"] == ["a", "b"]
        assert event["headers"]["X-Tag"] == "b"
        assert event["multiValueQueryStringParameters"]["n"] == ["1", "2"]
        assert event["queryStringParameters"] == {"n": "2", "empty": "", "plus": "a b+"}

    def test_absent_parts_are_null(self, front: Front) -> None:
        front.http.get("/")
        event = front.events[0]
        assert event["queryStringParameters"] is None
        assert event["multiValueQueryStringParameters"] is None
        assert event["pathParameters"] is None
        assert event["body"] is None
        assert event["isBase64Encoded"] is False

    def test_path_parameters_are_decoded_and_the_path_is_not(self, front: Front) -> None:
        front.http.get("/items/caf%C3%A9%2F1")
        event = front.events[0]
        assert event["resource"] == "/items/{id}"
        assert event["pathParameters"] == {"id": "café/1"}
        assert event["path"] == "/items/caf%C3%A9%2F1"

    def test_the_root_is_a_mapped_domain_and_the_stage_is_the_execute_api_url(
        self, front: Front
    ) -> None:
        for target, path, full in (
            ("/items", "/items", "/items"),
            ("/api/items", "/items", "/api/items"),
            ("/api/", "/", "/api/"),
            ("/api", "/", "/api"),
        ):
            front.http.get(target)
            event = front.events[-1]
            assert (event["path"], event["requestContext"]["path"]) == (path, full)
            assert event["requestContext"]["stage"] == "api"
        assert front.http.get("/apix").status_code == 404

    def test_the_context_has_the_keys_of_a_rest_api(self, front: Front) -> None:
        front.http.get("/items", headers={"User-Agent": "t/1", "Host": "localhost:9"})
        context = front.events[0]["requestContext"]
        assert context["requestTimeEpoch"] == 1_800_000_000_000
        assert context["requestTime"] == "15/Jan/2027:08:00:00 +0000"
        assert context["domainName"] == "localhost"
        assert context["resourcePath"] == "/items"
        assert context["httpMethod"] == "GET"
        assert context["identity"]["sourceIp"] == "127.0.0.1"
        assert context["identity"]["userAgent"] == "t/1"
        assert context["identity"]["caller"] is None
        assert context["requestId"]

    @pytest.mark.parametrize(
        ("sent", "viewer"),
        [
            ("198.51.100.7", "198.51.100.7"),
            ("203.0.113.1, 198.51.100.7", "198.51.100.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("198.51.100.7, nonsense", "127.0.0.1"),
        ],
    )
    def test_the_viewer_is_the_last_forwarded_address(
        self, front: Front, sent: str, viewer: str
    ) -> None:
        front.http.get("/items", headers={"X-Forwarded-For": sent, "X-Forwarded-Proto": "gopher"})
        event = front.events[0]
        assert event["requestContext"]["identity"]["sourceIp"] == viewer
        assert event["multiValueHeaders"]["X-Forwarded-Proto"] == ["http"]

    def test_a_direct_viewer_gets_a_forwarded_header(self, front: Front) -> None:
        front.http.get("/items")
        assert front.events[0]["headers"]["X-Forwarded-For"] == "127.0.0.1"

    def test_binary_bodies_arrive_as_base64_and_all_others_as_text(self, front: Front) -> None:
        front.http.post(
            "/items", content=b"\xff\x00", headers={"Content-Type": "application/octet-stream; a=b"}
        )
        front.http.post("/items", content="é".encode(), headers={"Content-Type": "text/plain"})
        front.http.post("/items", content=b"\xff", headers={"Content-Type": "text/plain"})
        binary, text, broken = front.events
        assert binary["isBase64Encoded"] is True
        assert base64.b64decode(binary["body"]) == b"\xff\x00"
        assert (text["body"], text["isBase64Encoded"]) == ("é", False)
        assert broken["body"] == "\ufffd"

    def test_a_chunked_body_arrives_whole(self, front: Front) -> None:
        front.http.post("/items", content=iter([b"ab", b"cd"]))
        assert front.events[0]["body"] == "abcd"
        assert "transfer-encoding" not in {k.lower() for k in front.events[0]["headers"]}


class TestRoutes:
    def test_a_literal_segment_wins_over_a_parameter(self, front: Front) -> None:
        front.http.get("/items/new")
        front.http.get("/v1/keys")
        front.http.delete("/v1/a/b")
        assert [e["resource"] for e in front.events] == ["/items/new", "/v1/keys", "/v1/{rest+}"]
        assert front.events[2]["pathParameters"] == {"rest": "a/b"}

    def test_only_the_best_matching_resource_decides_about_the_method(self, front: Front) -> None:
        assert front.http.post("/v1/keys").status_code == 404

    def test_a_trailing_slash_finds_the_same_resource(self, front: Front) -> None:
        assert front.http.get("/items/").status_code == 200
        assert front.events[0]["path"] == "/items/"

    @pytest.mark.parametrize(("method", "path"), [("GET", "/nope"), ("DELETE", "/items")])
    def test_unknown_route_or_method_is_answered_as_the_template_says(
        self, front: Front, method: str, path: str
    ) -> None:
        answer = front.http.request(method, path)
        assert answer.status_code == 404
        assert answer.json() == {"detail": "Missing Authentication Token"}
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
        assert front.events == []

    def test_a_browser_gets_the_html_of_the_template(self, front: Front) -> None:
        accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        answer = front.http.get("/api/nope", headers={"Accept": accept})
        assert answer.headers["content-type"] == "text/html"
        assert answer.text == "<h1>Not found: /api/nope</h1>"

    def test_an_authorizer_stops_the_start(self) -> None:
        with pytest.raises(UnknownSwagger, match="GET /x has an authorizer"):
            RouteTable({"paths": {"/x": {"get": {"security": [{"gate": []}]}}}})

    @pytest.mark.parametrize(
        ("accept", "chosen"),
        [
            (None, "application/json"),
            ("*/*", "application/json"),
            ("text/*", "text/html"),
            ("image/png", "application/json"),
            ("application/json;q=0.1, text/html", "text/html"),
            ("text/html;q=0", "application/json"),
        ],
    )
    def test_accept_chooses_the_template(self, accept: str | None, chosen: str) -> None:
        assert choose(accept, ["text/html", "application/json"]) == chosen


class TestAnswer:
    def test_headers_repeat_and_the_multi_value_map_wins(self, front: Front) -> None:
        front.answering(
            statusCode=201,
            headers={"X-A": "1", "Set-Cookie": "lost", "N": 5, "B": True},
            multiValueHeaders={"set-cookie": ["a=1", "b=2"]},
            body="é",
        )
        answer = front.http.get("/items")
        assert answer.status_code == 201
        assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert (answer.headers["n"], answer.headers["b"]) == ("5", "true")
        assert answer.headers["content-type"] == "application/json"
        assert answer.content == "é".encode()
        assert answer.headers["x-amzn-requestid"] == front.events[0]["requestContext"]["requestId"]

    def test_binary_is_decoded_only_if_the_first_accepted_type_is_binary(
        self, front: Front
    ) -> None:
        coded = base64.b64encode(b"\x89PNG").decode()
        front.answering(statusCode=200, body=coded, isBase64Encoded=True)
        wanted = {"Accept": "image/png, */*"}
        assert front.http.get("/items", headers=wanted).content == b"\x89PNG"
        second = {"Accept": "text/html, image/png"}
        assert front.http.get("/items", headers=second).text == coded

    def test_head_has_the_headers_and_no_body(self, front: Front) -> None:
        front.answering(statusCode=200, body="hello")
        head = b"HEAD /items HTTP/1.1\r\nHost: localhost\r\n"
        answer = raw(front, head + b"Connection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"Content-Length: 5\r\n" in answer
        assert answer.endswith(b"\r\n\r\n")

    def test_one_connection_serves_many_requests(self, front: Front) -> None:
        connection = http.client.HTTPConnection(front.url.removeprefix("http://"), timeout=5)
        for method in ("HEAD", "GET", "POST", "GET"):
            connection.request(method, "/items")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"" if method == "HEAD" else b"ok")
            sock = connection.sock
            assert sock is not None
        assert connection.sock is sock
        connection.close()

    def test_head_of_a_resource_without_head_is_an_unknown_method(self, front: Front) -> None:
        assert front.http.head("/items/1").status_code == 404

    def test_204_has_neither_body_nor_length(self, front: Front) -> None:
        front.answering(statusCode=204, body="")
        assert "content-length" not in front.http.get("/items").headers

    def test_headers_of_the_gateway_itself_are_renamed(self, front: Front) -> None:
        front.answering(statusCode=401, headers={"WWW-Authenticate": "Bearer", "Server": "x"})
        answer = front.http.get("/api/items")
        assert answer.headers["x-amzn-remapped-www-authenticate"] == "Bearer"
        assert "www-authenticate" not in answer.headers
        assert "server" not in answer.headers

    def test_the_front_door_gives_a_challenge_its_name_back(self, front: Front) -> None:
        front.answering(statusCode=401, headers={"WWW-Authenticate": "Bearer"})
        answer = front.http.get("/items")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "x-amzn-remapped-www-authenticate" not in answer.headers

    @pytest.mark.parametrize(
        "result",
        [
            None,
            "text",
            {"statusCode": "abc"},
            {"statusCode": True},
            {"statusCode": 99},
            {"statusCode": 200, "body": {"a": 1}},
            {"statusCode": 200, "headers": ["a"]},
            {"statusCode": 200, "headers": {"X": "a\r\nY: b"}},
            {"statusCode": 200, "headers": {"X": "€"}},
            {"statusCode": 200, "headers": {"X": None}},
            {"statusCode": 200, "multiValueHeaders": {"X": "a"}},
            {"statusCode": 200, "body": "x" * (6 * 1024 * 1024 + 1)},
            {"errorMessage": "boom", "errorType": "ValueError"},
        ],
    )
    def test_a_bad_answer_is_502_by_the_template(
        self, front: Front, result: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        front.result = lambda _: result
        answer = front.http.get("/items")
        assert (answer.status_code, answer.json()) == (502, {"code": "unavailable"})
        assert "gateway: 502 for GET /items" in capsys.readouterr().err

    def test_an_exception_is_502_and_its_words_stay_inside(
        self, front: Front, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail(_: Any) -> Any:
            raise RuntimeError("secret-word")

        front.result = fail
        answer = front.http.get("/items")
        assert answer.status_code == 502
        assert "secret-word" not in answer.text + capsys.readouterr().err

    def test_bad_base64_is_refused(self) -> None:
        with pytest.raises(BadAnswer, match="base64"):
            http_answer({"body": "é", "isBase64Encoded": True}, "image/png", ["image/png"])

    def test_a_slow_function_is_504_at_the_limit(self, start_front: Callable[..., Front]) -> None:
        front = start_front(timeout=0.1)
        release = threading.Event()
        front.result = lambda _: release.wait(5)
        began = time.monotonic()
        answer = front.http.get("/items")
        release.set()
        assert answer.status_code == 504
        assert answer.json() == {"code": "unavailable"}
        assert time.monotonic() - began < 2


class TestSizes:
    def test_a_body_over_10_mb_is_413_and_reaches_nobody(self, front: Front) -> None:
        answer = front.http.post("/items", content=b"x" * (10 * 1024 * 1024 + 1))
        assert (answer.status_code, answer.json()) == (413, {"message": "Request Too Long"})
        chunks = (b"x" * 1024 * 1024 for _ in range(11))
        assert front.http.post("/items", content=chunks).status_code == 413
        assert front.events == []

    def test_an_event_over_6_mb_is_413(self, front: Front) -> None:
        assert front.http.post("/items", content=b"x" * 6_291_556).status_code == 413
        assert front.events == []

    def test_long_headers_are_431_and_a_long_url_414(self, front: Front) -> None:
        answer = front.http.get("/items", headers={"X-Long": "x" * 10_240})
        assert (answer.status_code, answer.json()["code"]) == (431, "headers_too_large")
        assert front.http.get("/items?" + "x" * 8_192).status_code == 414
        longer = raw(front, b"GET /items?" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n")
        assert longer.startswith(b"HTTP/1.1 414 ")
        many = {f"X-{n}": "1" for n in range(150)}
        answer = front.http.get("/items", headers=many)
        assert answer.status_code == 431
        assert answer.headers["content-type"] == "application/problem+json"
        assert front.events == []

    @pytest.mark.parametrize(
        "head",
        [
            b"Content-Length: -1\r\n",
            b"Content-Length: x\r\n",
            b"Content-Length: \xb2\r\n",
            b"Transfer-Encoding: chunked\r\n",
        ],
    )
    def test_a_body_that_cannot_be_read_is_400(self, front: Front, head: bytes) -> None:
        lines = b"POST /items HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\nzz\r\n"
        answer = raw(front, lines)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in answer
        assert front.events == []

    def test_an_unknown_method_is_a_problem(self, front: Front) -> None:
        answer = raw(front, b"BREW /items HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 501 ")
        assert b"application/problem+json" in answer


class TestKeepAlive:
    def test_small_calls_do_not_wait_for_nagle(self, front: Front) -> None:
        times = []
        for _ in range(40):
            began = time.monotonic()
            front.http.get("/items")
            times.append(time.monotonic() - began)
        # With Nagle's algorithm not one call takes less than 40 ms, on the fastest machine.
        assert sorted(times)[4] < 0.02

    def test_absolute_targets_are_read_as_paths(self, front: Front) -> None:
        target = b"GET http://localhost/items?a=1 HTTP/1.1"
        raw(front, target + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert front.events[0]["path"] == "/items"
        assert front.events[0]["queryStringParameters"] == {"a": "1"}
