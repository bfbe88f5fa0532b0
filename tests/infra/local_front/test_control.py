"""The control surface before an engine that writes down what it was told."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from infra.local.errors import InvocationError, NotScheduledError
from infra.local.front.control import Control
from infra.local.front.http import Answer, Request, serve
from infra.local.front.page import linked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
NASTY = '"><script>alert(1)</script>'


class FakeEngine:
    """Keeps what it was told in `told`."""

    functions = ("api_handler", "mail_sweep", "broken_sweep")

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.mode = "automatic"

    def schedules(self) -> list[Any]:
        due = "2027-01-15T08:00:00.000000+00:00"
        names = {"name": "MailSweep", "function": "mail_sweep", "expression": "rate(1 minute)"}
        return [SimpleNamespace(**names, due=due)]

    def schedule_mode(self) -> str:
        return self.mode

    def set_schedule_mode(self, mode: str) -> None:
        self.mode = mode

    def run(self, function: str) -> Any:
        if function == "api_handler":
            raise NotScheduledError
        if function == "broken_sweep":
            raise InvocationError(function, {"errorType": "KeyError", "errorMessage": "x"})
        self.told.append(("run", function))
        return {"sent": 2}

    def settle(self) -> None:
        self.told.append("settle")

    def deploy(self, archive: Path) -> None:
        self.told.append(("deploy", archive))

    def now(self) -> str:
        return "2027-01-15T08:00:00.000000+00:00"

    def advance(self, seconds: float) -> None:
        self.told.append(("advance", seconds))

    def freeze(self, frozen: bool) -> None:
        self.told.append(("freeze", frozen))

    def calls(self, since: int = 0, function: str | None = None) -> list[Any]:
        return [{"seq": since + 1, "function": function}]

    def add_fault(self, fault: Mapping[str, Any]) -> None:
        if fault.get("service") == "nope":
            raise ValueError("service: there is no service nope")
        self.told.append(("fault", dict(fault)))

    def clear_faults(self) -> None:
        self.told.append("clear")

    def mail(self, to: str | None = None) -> list[Any]:
        mail = {
            "to": ["ana@example.test"],
            "subject": NASTY,
            "text": f"Open http://localhost:1/verify/abc?x=1&y=2. {NASTY}",
            "html": f"<p>{NASTY}</p>",
            "at": self.now(),
        }
        return [] if to == "nobody@example.test" else [mail]

    def receive_mail(self, raw: bytes) -> str:
        self.told.append(("mail", raw))
        return "in/1"

    def dump(self) -> Any:
        return {"tables": {}, "buckets": {}}

    def object(self, bucket: str, key: str) -> tuple[bytes, str]:
        if (bucket, key) != ("MailBucket", "in/a b"):
            raise KeyError(key)
        return b"raw", "text/html"

    def logs(self, function: str | None = None) -> list[Any]:
        return [{"function": function, "line": "hello"}]

    def queues(self) -> Any:
        return {"MailQueue": {"name": "q", "messages": [{"id": "1"}]}}

    def requests(self) -> list[Any]:
        raise RuntimeError("broken")


def plan(kind: str, **facts: Any) -> dict[str, Any]:
    """A seeded plan of this kind, by the name of its kind."""
    return {"application": "app_1", "kind": kind, "name": kind, "currency": "USD", **facts}


class Surface:
    def __init__(self) -> None:
        self.cloud = FakeEngine()
        self.control: Control | None = None
        self.seed: dict[str, Any] = {
            "urls": {"app": "http://localhost:1"},
            "sign_ins": [{"role": "customer", "login": NASTY, "password": "p"}],
            "vendors": [{"name": "Harbor Tools", "id": "vnd_1"}],
            "applications": [{"id": "app_1", "name": "Halyard", "sha256": "0123456789abcdef" * 4}],
            "plans": [
                plan("metered", price_per_hour="0.90 USD"),
                plan("pass", price=1500, prepaid_ms=20 * 3_600_000),
                plan("subscription", price=2900, period_months=1),
                plan("trial"),
            ],
            "tokens": {"vendor": "cvt_" + "1" * 60},
        }

    def answer(self, request: Request) -> Answer:
        assert self.control
        return self.control.answer(request)


@pytest.fixture
def surface() -> Surface:
    return Surface()


@pytest.fixture
def http(surface: Surface) -> Iterator[httpx.Client]:
    server = serve(surface.answer)
    surface.control = Control(surface.cloud, surface.seed, server.port)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}/_local") as client:
        yield client
    server.stop()


def flaw(answer: httpx.Response) -> str:
    """Return the field a 400 problem names."""
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["errors"][0]["field"])


class TestClock:
    def test_it_says_the_time(self, http: httpx.Client) -> None:
        assert http.get("/clock").json() == {"now": "2027-01-15T08:00:00.000000+00:00"}

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ({"advance": 3600}, [("advance", 3600.0)]),
            ({"advance": 0.25}, [("advance", 0.25)]),
            ({"freeze": True}, [("freeze", True)]),
            ({"advance": 1, "freeze": False}, [("freeze", False), ("advance", 1.0)]),
        ],
    )
    def test_it_is_moved_and_stopped(
        self, http: httpx.Client, surface: Surface, body: Any, told: Any
    ) -> None:
        assert http.post("/clock", json=body).json()["now"]
        assert surface.cloud.told == told

    def test_json_without_its_content_type_is_taken(
        self, http: httpx.Client, surface: Surface
    ) -> None:
        # What `curl -d '{"advance": 5}'` sends.
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert http.post("/clock", content=b'{"advance": 5}', headers=kind).status_code == 200
        assert surface.cloud.told == [("advance", 5.0)]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            (b'{"advance": -1}', "advance"),
            (b'{"advance": "1"}', "advance"),
            (b'{"advance": true}', "advance"),
            (b'{"advance": NaN}', "advance"),
            (b'{"advance": 1e300}', "advance"),
            (b'{"advance": null}', "advance"),
            (b'{"freeze": 1}', "freeze"),
            (b'{"rewind": 1}', "rewind"),
            (b"{}", "advance"),
            (b"[1]", "body"),
            (b"", "body"),
            (b"\xff", "body"),
            (b"{" * 100_000, "body"),
        ],
    )
    def test_a_bad_body_moves_nothing_and_is_named(
        self, http: httpx.Client, surface: Surface, body: bytes, field: str
    ) -> None:
        assert flaw(http.post("/clock", content=body)) == field
        assert surface.cloud.told == []


class TestFunctions:
    def test_run_answers_when_it_is_done(self, http: httpx.Client, surface: Surface) -> None:
        answer = http.post("/run/mail_sweep").json()
        assert (answer["function"], answer["result"]) == ("mail_sweep", {"sent": 2})
        assert surface.cloud.told == [("run", "mail_sweep")]

    def test_unscheduled_is_400_unknown_404_and_failed_502(self, http: httpx.Client) -> None:
        assert flaw(http.post("/run/api_handler")) == "function"
        assert http.post("/run/nope").status_code == 404
        failed = http.post("/run/broken_sweep")
        assert (failed.status_code, failed.json()["code"]) == (502, "function_failed")

    def test_settle(self, http: httpx.Client, surface: Surface) -> None:
        assert http.post("/settle").json()["settled"] is True
        assert surface.cloud.told == ["settle"]

    def test_schedules_are_listed_and_their_mode_set(
        self, http: httpx.Client, surface: Surface
    ) -> None:
        assert http.post("/schedules", json={"mode": "manual"}).json()["mode"] == "manual"
        assert surface.cloud.mode == "manual"
        assert http.get("/schedules").json()["schedules"][0]["function"] == "mail_sweep"
        assert flaw(http.post("/schedules", json={"mode": "never"})) == "mode"
        assert flaw(http.post("/schedules", json={})) == "mode"


class TestFaults:
    def test_they_are_set_listed_and_cleared(self, http: httpx.Client, surface: Surface) -> None:
        fault = {"service": "dynamodb", "action": "PutItem", "nth": 2, "kind": "throttle"}
        assert http.post("/faults", json=fault).status_code == 201
        assert http.get("/faults").json() == {"faults": [{**fault, "times": 1}]}
        assert http.delete("/faults").json() == {"faults": []}
        assert http.get("/faults").json() == {"faults": []}
        assert surface.cloud.told == [("fault", {**fault, "times": 1}), "clear"]

    @pytest.mark.parametrize(
        ("fault", "field"),
        [
            ({}, "kind"),
            ({"kind": "explode"}, "kind"),
            ({"kind": "fail", "nth": 0}, "nth"),
            ({"kind": "fail", "times": True}, "times"),
            ({"kind": "fail", "nth": "1"}, "nth"),
            ({"kind": "fail", "service": 1}, "service"),
            ({"kind": "fail", "when": 1}, "when"),
            ({"kind": "fail", "service": "nope"}, "fault"),
        ],
    )
    def test_a_bad_fault_is_named_and_not_set(
        self, http: httpx.Client, surface: Surface, fault: Any, field: str
    ) -> None:
        assert flaw(http.post("/faults", json=fault)) == field
        assert http.get("/faults").json() == {"faults": []}
        assert surface.cloud.told == []


class TestLooking:
    def test_seed_dump_queues_and_logs(self, http: httpx.Client, surface: Surface) -> None:
        assert http.get("/seed").json() == surface.seed
        assert http.get("/dump").json() == {"tables": {}, "buckets": {}}
        assert http.get("/queues").json()["MailQueue"]["messages"] == [{"id": "1"}]
        assert http.get("/logs?function=mail_sweep").json()[0]["function"] == "mail_sweep"

    def test_mail_by_recipient(self, http: httpx.Client) -> None:
        assert len(http.get("/mail").json()) == 1
        assert http.get("/mail?to=nobody@example.test").json() == []

    def test_inbound_mail(self, http: httpx.Client, surface: Surface) -> None:
        assert http.post("/mail", content=b"Subject: x\r\n\r\nhi").json() == {"key": "in/1"}
        assert surface.cloud.told == [("mail", b"Subject: x\r\n\r\nhi")]
        assert flaw(http.post("/mail")) == "body"

    def test_calls_since(self, http: httpx.Client) -> None:
        rows = http.get("/calls?since=7&function=api_handler").json()
        assert rows == [{"seq": 8, "function": "api_handler"}]
        assert flaw(http.get("/calls?since=x")) == "since"
        assert flaw(http.get("/calls?since=-1")) == "since"

    def test_objects_are_served_as_bytes_that_cannot_act(self, http: httpx.Client) -> None:
        answer = http.get("/objects/MailBucket/in%2Fa%20b")
        assert (answer.content, answer.headers["content-type"]) == (b"raw", "text/html")
        assert answer.headers["content-security-policy"] == "sandbox"
        assert http.get("/objects/MailBucket/in/a%20b").content == b"raw"
        assert http.get("/objects/MailBucket/none").status_code == 404
        assert http.get("/objects").status_code == 404

    def test_a_failing_engine_is_said_and_not_hidden(
        self, http: httpx.Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        answer = http.get("/requests")
        assert (answer.status_code, answer.json()["code"]) == (500, "engine_error")
        assert "RuntimeError: broken" in capsys.readouterr().err

    def test_unknown_names_and_methods(self, http: httpx.Client) -> None:
        assert http.get("/nope").status_code == 404
        assert http.get("/clock/x").status_code == 404
        wrong = http.delete("/clock")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST")
        assert http.head("/clock").status_code == 200
        bare = http.get(str(http.base_url).rstrip("/"))
        assert (bare.status_code, bare.headers["location"]) == (308, "/_local/")


class TestGuard:
    @pytest.mark.parametrize("host", ["evil.test", "localhost", "localhost:1", "127.0.0.1.evil"])
    def test_another_host_name_is_refused(
        self, http: httpx.Client, surface: Surface, host: str
    ) -> None:
        answer = http.post("/settle", headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_host")
        assert http.get("/mail", headers={"Host": host}).status_code == 403
        assert surface.cloud.told == []

    @pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://localhost:1"])
    def test_another_origin_is_refused(
        self, http: httpx.Client, surface: Surface, origin: str
    ) -> None:
        answer = http.post("/settle", headers={"Origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
        assert surface.cloud.told == []

    @pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
    def test_its_own_names_are_served(self, http: httpx.Client, name: str) -> None:
        host = f"{name}:{http.base_url.port}"
        headers = {"Host": host, "Origin": f"http://{host}"}
        assert http.post("/settle", headers=headers).status_code == 200


class TestPage:
    def test_everything_on_it_is_escaped(self, http: httpx.Client) -> None:
        answer = http.get("/")
        assert answer.status_code == 200
        assert "<script" not in answer.text
        assert "script-src" not in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert 'href="http://localhost:1/verify/abc?x=1&amp;y=2"' in answer.text
        assert "Halyard" in answer.text
        for price in ("0.90 USD an hour", "15.00 USD for 20 hours", "29.00 USD a seat and month"):
            assert f'<td data-label="Price">{price}</td>' in answer.text
        assert '<td data-label="Price">nothing</td>' in answer.text
        assert "cvt_1" not in answer.text, "what is long and raw stands behind the link"
        assert 'href="/_local/seed"' in answer.text

    def test_it_loads_nothing_from_elsewhere(self, http: httpx.Client) -> None:
        page = http.get("/").text
        assert "src=" not in page.replace("srcdoc=", "")
        assert "<link" not in page
        assert "@import" not in page

    def test_its_buttons_lead_back_to_it(self, http: httpx.Client, surface: Surface) -> None:
        for path, body in (
            ("/clock", "advance=60"),
            ("/clock", "freeze=true"),
            ("/run/mail_sweep", ""),
            ("/settle", ""),
            ("/schedules", "mode=manual"),
        ):
            answer = http.post(path, content=body, headers=FORM)
            assert answer.status_code == 303, answer.text
            page = http.get("/" + answer.headers["location"].removeprefix("/_local/"))
            assert 'role="status"' in page.text
        assert surface.cloud.told == [
            ("advance", 60.0),
            ("freeze", True),
            ("run", "mail_sweep"),
            "settle",
        ]

    def test_it_shows_a_cloud_without_anything(self, http: httpx.Client, surface: Surface) -> None:
        surface.seed.clear()
        surface.seed["urls"] = {}
        surface.cloud.mail = lambda to=None: []  # type: ignore[method-assign]  # an empty inbox
        assert "No mail yet" in http.get("/").text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("a <b>", "a &lt;b&gt;"),
            (
                "<b> http://x.test/ <b>",
                '&lt;b&gt; <a href="http://x.test/">http://x.test/</a> &lt;b&gt;',
            ),
            ("http://x.test/a.", '<a href="http://x.test/a">http://x.test/a</a>.'),
            (
                'http://x.test/"onclick=1',
                '<a href="http://x.test/">http://x.test/</a>&quot;onclick=1',
            ),
            ("javascript:alert(1)", "javascript:alert(1)"),
            (None, ""),
        ],
    )
    def test_only_web_addresses_become_links(self, text: Any, shown: str) -> None:
        assert str(linked(text)) == shown


def test_a_body_over_the_limit_is_413(http: httpx.Client) -> None:
    answer = http.post("/mail", content=b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status_code, json.loads(answer.text)["code"]) == (413, "too_large")
