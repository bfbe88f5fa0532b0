"""One dyed person's whole story: out of each way comes what was given for it, and nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from chalicelib import wiring
from chalicelib.cases.rules import Kind
from chalicelib.core.clock import DAY, from_text
from chalicelib.observability import logger
from chalicelib.privacy import policies
from chalicelib.privacy.rules import Purpose, family, use_under
from chalicelib.privacy.service import Vault
from chalicelib.staff.rules import Role
from infra import admin
from infra.local.processor import CHECKOUT, WORKER, serve
from tests.browser import Browser
from tests.cases.conftest import by_form
from tests.conftest import SECRETS, kept_client
from tests.identity.conftest import PASSWORD, Desk, make_desk
from tests.licenses.test_members import invite
from tests.payments.conftest import CENTURY, sign_contract
from tests.privacy.dyes import DYES, UNDYED, WAYS_OUT, dye, dye_all, purposes_in
from tests.program import claims_of
from tests.staff.conftest import signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.processor import Handle
    from tests.browser import Answer
    from tests.conftest import FakeClock, Tables

pytestmark = [pytest.mark.guarantee("G8"), pytest.mark.promise("PS-04")]
TYPED = dict.fromkeys(policies.FIELDS, "typed")
FOR_ANYBODY = ("/", "/apps", "/apps/orchard", "/status", "/privacy", "/contact", "/login")
OWN = (
    "/account", "/account/setup", "/account/setup/zone", "/account/setup/password",
    "/account/email", "/account/notices", "/account/sessions", "/account/privacy",
    "/account/privacy/export", "/account/privacy/deactivate", "/account/privacy/erase",
    "/account/usage", "/account/computers", "/account/downloads", "/account/subscriptions",
    "/orders", "/device",
)  # fmt: skip
NEW_MAILING = "/staff/mailings/new?kind=announcement&text=maintenance"
MAILING = {
    "kind": "announcement", "text": "maintenance", "once": "A" * 43, "day": "2027-03-31",
    "begins": "06:30", "ends": "07:15", "what": "A disk.",
}  # fmt: skip
OF_STAFF = ("/staff", "/staff/policy", "/staff/mailings", "/staff/trends", "/staff/trends.csv")


@dataclass
class Story:
    """`seen` is what came out of each way that is named in WAYS_OUT."""

    desk: Desk
    tables: Tables
    processor: Handle
    capture: pytest.CaptureFixture[str]
    folder: Path
    seen: dict[str, list[str]] = field(default_factory=dict)
    spoken_to: set[str] = field(default_factory=set)

    @property
    def subject(self) -> str:
        return wiring.accounts().subject_of(self.desk.account)

    def sees(self, way: str, *shown: str) -> None:
        self.seen.setdefault(way, []).extend(shown)

    def get(self, way: str, path: str, browser: Browser | None = None) -> str:
        """A page that opens, with its headers and cookies."""
        answer = (browser or self.desk.browser).get(path)
        assert answer.status == 200, (path, answer.status)
        self.sees(way, whole(answer))
        return answer.text

    def command(self, way: str, *words: str) -> Any:
        """What the operator's command prints."""
        self.printed()
        assert admin.main([*words]) == 0, words
        said = self.capture.readouterr()
        self.sees(way, said.out, said.err)
        return json.loads(said.out)

    def printed(self) -> None:
        """What functions print is their metrics, as the log group gets them."""
        self.sees("metrics", *self.capture.readouterr())


def whole(answer: Answer) -> str:
    return "\n".join([json.dumps(answer.headers), *answer.cookies, answer.text])


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every line of the functions' log, as it is written."""
    lines: list[str] = []
    handler = logger.registered_handler
    real = handler.format

    def format_and_keep(record: Any) -> str:
        lines.append(real(record))
        return lines[-1]

    monkeypatch.setattr(handler, "format", format_and_keep)
    return lines


@pytest.fixture
def story(
    tables: Tables, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Story]:  # fmt: skip
    """A customer of whom there is a copy for every purpose that the policy in force knows."""
    keys = {SECRETS["processor-checkout-key"]: CHECKOUT, SECRETS["processor-worker-key"]: WORKER}
    simulator = serve(tmp_path / "processor", keys=keys)
    for name in ("PROCESSOR_API", "PROCESSOR_ORIGIN"):
        monkeypatch.setenv(name, simulator.url)
    wiring.forget()
    dye_all(monkeypatch)
    sign_contract(CENTURY)
    application = wiring.catalog().add_application(
        vendor_id=wiring.vendors().add("Harbor", [JWK]).id, vendor_name="Harbor", slug="orchard",
        name="Orchard", summary="Draws trees.", description="Draws trees on demand.",
    )  # fmt: skip
    plan = wiring.catalog().add_plan(
        application, kind="subscription", name="Crew", price="9.00", currency="USD",
        period_months=1,
    )  # fmt: skip
    wiring.key_ring().ensure_key()
    desk = make_desk(tables, (application, plan), "mora")
    clock.advance(DAY)
    made = Story(desk, tables, simulator, capsys, tmp_path)
    real = socket.getaddrinfo

    def look_up(host: Any, *more: Any, **named: Any) -> Any:
        made.spoken_to.add(str(host))
        return real(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield made
    simulator.stop()


JWK = {"crv": "Ed25519", "kty": "OKP", "x": "HdpJmT0kI---mUJ_5HSyn7l4YgIr3OK0wTXRKth1w8A"}


def give_every_purpose_a_copy(story: Story) -> None:
    """Also of what nobody says yes to here: a copy that is not there could not be laundered."""
    vault, now = wiring.vault(), wiring.now()
    rest = dict.fromkeys(("phone", "company", "tax_id"), "typed")
    wiring.accounts().correct(story.desk.account, rest)
    for purpose in policies.VERSIONS[policies.IN_FORCE].keys() - vault.granted(story.subject):
        writes = vault._grant(story.subject, Purpose(purpose), TYPED, now, policies.IN_FORCE)
        wiring.database().transact(*writes)


def buy(story: Story, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ordered, paid on the processor's page, renewed, and some given back; the license."""
    real = requests.Session.request

    def request(session: requests.Session, *words: Any, **more: Any) -> requests.Response:
        story.sees("the card processor", repr((words, more)))
        return real(session, *words, **more)

    monkeypatch.setattr(requests.Session, "request", request)
    desk = story.desk
    form = {"plan": desk.plan.id, "seats": "2", "attempt": "one"}
    answer = desk.browser.post("/apps/orchard/orders", form, page="/apps/orchard")
    assert answer.location.startswith(story.processor.url), answer.text
    story.processor.complete(answer.location.rpartition("/")[2])
    (order,) = wiring.orders().all(desk.account)
    story.get("the person's own pages", f"/orders/{order.id}")
    license_id = wiring.orders().of(desk.account, order.id).license_id
    assert license_id
    return license_id


def renew(story: Story, clock: FakeClock, license_id: str) -> None:
    """The period that follows is charged without the person, and some of it is given back."""
    clock.now = wiring.subscriptions().of(story.desk.account, license_id).period_end
    assert wiring.renewals().sweep() == {"done": 1, "failed": 0}
    for paid in wiring.taken().of_account(story.desk.account):
        story.command("every other command", "refund", "--payment", paid.id, "--amount", "1.00")


def run(story: Story, license_id: str) -> None:
    """An application is checked, launched, renewed and ended; its computer gets a name."""
    program = story.desk.program()
    started = program.launch(license_id=license_id)
    assert started["valid"], started.body
    shown = program.computer.shown(started["lease"])
    answers = [
        program.check(license_id=license_id), started, program.launch("two", license_id="lic_no"),
        program.beat(started["lease"], 1, shown=shown), program.end(started["lease"]),
        program.get("/v1/usage"), program.get("/v1/keys"),
    ]  # fmt: skip
    told = [json.dumps([answer.body, answer.headers]) for answer in answers]
    claims = [json.dumps(claims_of(started["lease"])), json.dumps(claims_of(answers[4]["receipt"]))]
    story.sees("launches, leases and screens", *told, *claims)
    name = {"license": license_id, "computer": program.computer.id, "label": "typed"}
    page = "/account/computers"
    assert story.desk.browser.post(f"{page}/name", name, page=page).status == 303
    assert invite(story.desk, license_id).status == 303
    wiring.license_sweep().run()


def look(story: Story, license_id: str) -> None:
    """At every page of one's own, and at what one may take along."""
    for path in (*OWN, f"/account/licenses/{license_id}/people"):
        story.get("the person's own pages", path)
    for kind in ("json", "html"):
        story.get("the person's export", f"/account/privacy/export.{kind}")
    for file in ("days", "intervals"):
        story.get("the person's files of usage", f"/account/usage/{file}.csv")
    page = story.desk.browser.get("/account/privacy").text
    receipts = re.findall(r'"(/account/privacy/receipts/[^"]+)"', page)
    assert receipts
    for path in receipts:
        story.get("the person's receipts of choices", path)
    for path in FOR_ANYBODY:
        story.get("pages for anybody", path, Browser())


def others_look(story: Story, license_id: str, clock: FakeClock) -> None:
    """The vendor's program, every role of staff, a partner."""
    vendor = story.desk.application.vendor_id
    word = {
        "authorization": f"Bearer {wiring.vendors().new_token(vendor, 'test')}",
        "accept": "application/json", "content-type": "application/json",
    }  # fmt: skip
    calls = [("GET", what) for what in ("applications", "releases", "licenses", "usage")]
    calls += [("POST", f"licenses/{license_id}/{act}") for act in ("suspend", "reinstate")]
    for method, what in calls:
        answer = Browser().send(method, f"/v1/vendor/{what}", b"", word)
        assert answer.status == 200, answer.text
        story.sees("a vendor's program", whole(answer))
    for role in (Role.PRIVACY, Role.SERVICE, Role.OPERATOR):
        at_desk = signed_in(f"{role}.lund", role)
        for path in OF_STAFF:
            story.sees("pages of staff", whole(at_desk.get(path)))
        if role is Role.SERVICE:
            written = at_desk.post("/staff/mailings", MAILING, page=NEW_MAILING).location
            story.get("pages of staff", written, at_desk)
    story.command(
        "every other command", "partner", "--name", "Chart Weekly (test)", "--until", "2099-12-31"
    )
    clock.now = from_text("2027-01-03T03:00:00Z")
    assert wiring.partner_reports().run(lambda: 900_000) == {"released": 1}
    (key,) = [key for key in keys_of("cetrus-logs") if key.startswith("aggregates/")]
    story.sees("a partner's file", body_of("cetrus-logs", key))


def operate(story: Story) -> None:
    """The operator's commands, among them the one that reads what somebody wrote."""
    case = by_form(Kind.SUPPORT)
    story.command("the command that reads a case", "case", "--case", case.id)
    for words in (["cases"], ["case-close", "--case", case.id], ["books", "--month", "2026-12"]):
        story.command("every other command", *words)
    story.command("every other command", "ledger-export", "--out", str(story.folder / "ledger"))
    exported = (story.folder / "ledger").rglob("*")
    story.sees("every other command", *(f.read_text() for f in exported if f.is_file()))


def fail(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong form, a path that is not there, and an error that quotes what was just opened."""
    browser, real = story.desk.browser, Vault.open

    def open_and_quote(vault: Vault, subject: str, purpose: Any, reason: str) -> Any:
        raise ValueError(f"cannot work with {real(vault, subject, purpose, reason)._fields}")

    answers = [
        browser.post("/account/setup", {"postal_code": "?" * 40}),
        browser.get("/orders/ord_none"),
        Browser().post("/login", {"login": "mora.kilbride", "password": "wrong"}),
    ]
    with monkeypatch.context() as patched:
        patched.setattr(Vault, "open", open_and_quote)
        for accept in ("text/html", "application/json"):
            answers += [browser.get("/account/setup", accept=accept)]
            answers += [browser.get("/account/privacy/export.json", accept=accept)]
    assert {answer.status for answer in answers} == {404, 401, 422, 500}
    story.sees("answers that are errors", *map(whole, answers[1:]))


def leave(story: Story) -> None:
    """Erased, with what the law keeps; then all that is at rest."""
    form = {"hours": "0", "password": PASSWORD}
    answer = story.desk.browser.post("/account/privacy/erase", form)
    assert answer.location == "/rights/done?what=erased"
    account = story.desk.account
    story.command("the command that reads a fiscal record", "fiscal", "--account", account)


def keys_of(bucket: str) -> list[str]:
    listed = kept_client("s3").list_objects_v2(Bucket=bucket)
    return [str(found["Key"]) for found in listed.get("Contents", [])]


def body_of(bucket: str, key: str) -> str:
    data: bytes = kept_client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return data.decode("latin-1")


def at_rest(story: Story) -> list[str]:
    """Rows, objects and messages in queues."""
    sqs = kept_client("sqs")
    waiting = [
        json.dumps(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10), default=str)
        for url in sqs.list_queues()["QueueUrls"]
    ]
    buckets = [bucket["Name"] for bucket in kept_client("s3").list_buckets()["Buckets"]]
    objects = [body_of(bucket, key) for bucket in buckets for key in keys_of(bucket)]
    return [story.tables.dump(), *objects, *waiting]


@pytest.mark.promise("PS-03", "PS-05", "PS-11", "PS-18", "PS-37", "PS-49")
def test_out_of_each_way_come_the_copies_given_for_it_and_no_others(
    story: Story, clock: FakeClock, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_every_purpose_a_copy(story)
    license_id = buy(story, monkeypatch)
    run(story, license_id)
    look(story, license_id)
    story.sees("tables, buckets and queues", *at_rest(story))
    fail(story, monkeypatch)
    renew(story, clock, license_id)
    operate(story)
    others_look(story, license_id, clock)
    story.desk.browser.post("/login", {"login": "mora.kilbride", "password": PASSWORD})
    leave(story)
    story.sees("tables, buckets and queues", *at_rest(story))
    story.printed()
    story.sees("logs", *log)
    assert story.spoken_to == {urlsplit(story.processor.url).hostname}, "and to nobody else"
    assert {way for way, shown in story.seen.items() if not any(shown)} == set()
    assert {way: purposes_in(shown) for way, shown in story.seen.items()} == {
        way: set(purposes) for way, purposes in WAYS_OUT.items()
    }


def test_each_part_of_the_page_of_ones_data_shows_its_own_copy(story: Story) -> None:
    give_every_purpose_a_copy(story)
    page = story.desk.browser.get("/account/privacy").text
    parts = re.split(r'<h3 id="held-(\w+)">', page.partition('id="log"')[0])[1:]
    shown = {name: purposes_in([part]) for name, part in zip(parts[::2], parts[1::2], strict=True)}
    opened = {"account", "billing", "computers"}
    assert shown == {name: {name} & opened for name in policies.VERSIONS[policies.IN_FORCE]}


def test_an_export_tells_each_field_by_the_copy_that_is_for_it(story: Story) -> None:
    give_every_purpose_a_copy(story)
    profile = json.loads(story.desk.browser.get("/account/privacy/export.json").text)["profile"]
    uses = policies.VERSIONS[policies.IN_FORCE]
    bills = set(uses["billing"]["fields"])
    assert profile.keys() - UNDYED == {*uses["account"]["fields"], *bills} - UNDYED
    assert {name: value for name, value in profile.items() if name not in UNDYED} == {
        name: dye("billing" if name in bills else "account", name)
        for name in profile.keys() - UNDYED
    }


def test_every_purpose_has_a_copy_of_its_own(story: Story) -> None:
    give_every_purpose_a_copy(story)
    vault = wiring.vault()
    held = vault.granted(story.subject)
    assert held.keys() == policies.VERSIONS[policies.IN_FORCE].keys()
    for purpose, policy in held.items():
        fields = vault.open(story.subject, purpose, "test")._fields
        assert {family(name) for name in fields} == use_under(policy, purpose).fields
        for name in fields.keys() - UNDYED:
            assert fields[name] == dye(purpose, name)
    assert len(DYES) == len(set(DYES))


@pytest.mark.parametrize("value", sorted(DYES))
def test_a_dye_is_found_however_it_is_packed(value: str) -> None:
    raw, purpose = value.encode(), {DYES[value]}
    packed = base64.b64encode(gzip.compress(b"before " + raw)).decode()
    for hidden in (value, raw.hex(), base64.b64encode(b"a" + raw).decode(), packed, value.upper()):
        assert purposes_in([f"x {hidden} y"]) == purpose
    assert purposes_in([gzip.compress(raw)]) == purpose
