"""One story full of canaries, then a look at all there is: only declared places have them."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.cases.conftest import raw, verdicts
from tests.cloud.canaries import (
    ADDRESS,
    AGENT,
    ELSEWHERE,
    INVITED,
    MOVED,
    NAMES,
    OWNER,
    PROFILE,
    PROGRAM,
    RAW_MAIL,
    SENDER,
    STAFF,
    STOPPED,
    USAGE_LOGS,
    VISITS,
    WRITER,
    Canary,
    everything,
    typed,
)
from tests.cloud.conftest import operate
from tests.cloud.people import Customer, Visitor, confirm, profile, send_registration
from tests.cloud.program import Computer
from tests.cloud.scan import found_in, holds
from tests.cloud.test_people import license_of, linked

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
BY_CHANCE = {STAFF, USAGE_LOGS, VISITS}
"""Where it depends on the hour, and on what else happens here, whether anything is."""
NEW_PASSWORD = typed("new password")
ADDRESSES = {
    OWNER: PROFILE["email"], MOVED: typed("new address"), INVITED: typed("invited address"),
    WRITER: typed("writer's address"), SENDER: typed("sender's address"),
    STOPPED: typed("address that wants no more"), STAFF: typed("address of staff"),
}  # fmt: skip


@pytest.mark.parametrize("hidden", [
    "Zqplain value", "Zqüñïcode", "zq+mail@example.org",
])  # fmt: skip
def test_the_scan_finds_every_spelling(hidden: str) -> None:
    raw = hidden.encode()
    spelled = [
        raw, raw.hex().encode(), json.dumps(hidden).encode(), raw.upper(),
        b"x" + base64.b64encode(b"ab" + raw + b"cd"), base64.urlsafe_b64encode(b"a" + raw),
        gzip.compress(b"before " + raw), b"H:" + base64.b64encode(gzip.compress(raw * 3)),
    ]  # fmt: skip
    if not hidden.isascii():
        spelled.remove(raw.upper())
    assert [data for data in spelled if not holds(data, hidden)] == []
    assert not holds(b"something else altogether", hidden)


@dataclass
class Story:
    """What happened to one person, and what they were given to keep to themselves."""

    cloud: LocalCloud
    customer: Customer
    computer: Computer
    tokens: dict[str, tuple[str, ...]]

    def keep(self, name: str, value: str, *at: str) -> str:
        """A token is looked for by the part that is nobody else's."""
        self.tokens[name] = value.rstrip("/").rpartition("/")[2], *at
        return value

    def fill(self, path: str, part: str = "", **fields: str) -> Json:
        """Sends the form of a page."""
        self.customer.open(path)
        page = self.customer.browser.submit(part or path, **fields)
        assert page.status < 500, page.text
        return {"path": page.path, "text": page.text, "html": page.html}


def join(cloud: LocalCloud, program: str) -> Story:
    """Registered, with a look around; failed and succeeded at signing in; corrected."""
    fields, visitor = {**profile("zqlogin"), **PROFILE}, Visitor(cloud.app, ADDRESS)
    visitor.http.headers["user-agent"] = AGENT
    visitor.http.headers["referer"] = f"https://example.net/{typed('page that led here')}"
    visitor.fetch(f"/?campaign={typed('words of a query')}")
    visitor.fetch(f"/{typed('page that is not there')}")
    assert send_registration(cloud, visitor, {**fields, "choice_partner_mail": "yes"}).path == (
        "/register/sent"
    )
    customer = Customer(cloud, visitor, fields)
    computer = Computer(cloud, program)
    computer.http.headers.update({"user-agent": PROGRAM, "x-forwarded-for": ELSEWHERE})
    story = Story(cloud, customer, computer, {})
    story.keep("link that confirms", linked(cloud.control, customer.email, "/verify/"), OWNER)
    assert confirm(cloud, visitor, fields).path == "/account"
    opted_in = story.keep(
        "link to a choice", linked(cloud.control, customer.email, "/choices/"), OWNER
    )
    reader = Visitor(cloud.app)
    reader.open(opted_in)
    reader.submit("/choices/")
    story.fill("/account/setup", city=PROFILE["city"] + "-b", postal_code="?" * 40)
    story.fill("/account/setup", postal_code=PROFILE["postal_code"])
    wrong = Visitor(cloud.app, ADDRESS)
    wrong.open(f"{cloud.app}/login")
    wrong.submit("/login", login=fields["email"], password=typed("wrong password"))
    return story


def use(story: Story) -> None:
    """Bought, downloaded, launched, named a computer, a key made, a colleague invited."""
    customer, computer = story.customer, story.computer
    customer.buy()
    customer.browser.fetch(customer.open("/account/downloads").link("for Linux"))
    computer.sign_in(customer)
    for name in ("access_token", "refresh_token"):
        story.keep(name, computer.tokens[name])
    computer.ask_to_launch("zq-0", release=typed("version of an application"))
    computer.end(computer.launch("zq-1")["lease"])
    license_id = license_of(customer)
    story.fill(
        "/account/computers", "/account/computers/name",
        license=license_id, computer=computer.id, label=typed("computer's name"),
    )  # fmt: skip
    made = story.fill("/account/computers", "/account/computers/keys", license=license_id)
    (key,) = re.findall('data-license-key="([^"]+)"', made["html"])
    story.keep("license key", key)
    people = f"/account/licenses/{license_id}/people"
    story.fill(people, email=typed("invited address"), role="user")
    invitation = linked(story.cloud.control, typed("invited address"), "/invitations/")
    story.keep("link of an invitation", invitation, INVITED)


def write(story: Story) -> None:
    """By the form and by mail; a card that was typed into a message; a stop by a stranger."""
    visitor, control = Visitor(story.cloud.app, ADDRESS), story.cloud.control
    visitor.open(f"{story.cloud.app}/contact")
    said = {"about": "concern", "email": typed("writer's address")}
    card = f"My card is {typed('card typed in a message')}"
    assert visitor.submit("/contact", **said, message=card).status == 422
    page = visitor.submit(
        "/contact", **said, message=typed("message"), phone=typed("writer's telephone")
    )
    assert page.status == 200
    letter = typed("text of a mail")
    control.receive(
        raw(typed("subject of a mail"), typed("sender's address"), verdicts("example.org"), letter)
    )
    control.receive(raw("REMOVE", typed("address that wants no more"), verdicts("example.org")))
    control.settle()


def staff(story: Story) -> None:
    """Somebody begins to work here, and a partner is agreed with."""
    made = operate(
        story.cloud, "staff", "--name", typed("name of staff"), "--role", "privacy",
        "--email", typed("address of staff"), of="infra.admin",
    )  # fmt: skip
    story.keep("password of staff", made["password"])
    operate(
        story.cloud, "partner", "--name", typed("partner"), "--until", "2099-12-31",
        of="infra.admin",
    )  # fmt: skip


def leave(story: Story) -> None:
    """Moved, taken back, a new password, deactivated, come back, erased."""
    customer, control = story.customer, story.cloud.control
    new, fields = typed("new address"), story.customer.fields
    story.fill("/account/email", email=new, password=fields["password"])
    move = story.keep("link that moves", linked(control, new, "/email/"), MOVED)
    customer.browser.open(move)
    customer.browser.submit("/email/")
    back = story.keep(
        "link that takes back", linked(control, customer.email, "/email/undo/"), OWNER
    )
    customer.browser.open(back)
    assert "The account is back" in customer.browser.submit("/email/undo/").text
    control.advance(1)
    story.fill("/forgot", email=customer.email)
    reset = story.keep("link to a password", linked(control, customer.email, "/reset/"), OWNER)
    customer.browser.open(reset)
    assert customer.browser.submit("/reset/", password=NEW_PASSWORD).path == "/account"
    rest = story.fill("/account/privacy/deactivate", password=NEW_PASSWORD)
    assert rest["path"] == "/rights/done"
    came = story.fill(
        "/reactivate", login=fields["login"], password=NEW_PASSWORD, what="reactivate"
    )
    assert came["path"] == "/account"
    story.keep("session", customer.browser.cookies["localhost"]["__Host-sid"])
    story.keep("token of forms", customer.browser.cookies["localhost"]["__Host-form"])
    gone = story.fill("/account/privacy/erase", hours="0", password=NEW_PASSWORD)
    assert gone["path"] == "/rights/done"


SWEEPS = ("license_sweep", "payment_sweep", "account_sweep", "case_sweep", "mail_sweep")


def settled(control: Control) -> None:
    for function in SWEEPS:
        control.run(function)
    control.settle()


@dataclass
class Seen:
    """What each place holds, looked at once before the person left and once after."""

    before: dict[str, Any] = field(repr=False)
    after: dict[str, Any] = field(repr=False)
    canaries: list[Canary]


def looked_at(control: Control) -> dict[str, Any]:
    """Everything that the local cloud shows, by place."""
    dump, mails = control.dump(), control.mail()
    places: dict[str, Any] = {f"table {name}": t["items"] for name, t in dump["tables"].items()}
    for name, bucket in dump["buckets"].items():
        places[f"keys of {name}"] = bucket["keys"]
        if name != "InstallersBucket":
            places[f"objects of {name}"] = [control.object(name, k) for k in bucket["keys"]]
    places |= {
        "logs": control.logs(), "queues": control.queues(), "calls": control.calls(),
        "requests": control.requests(),
    }  # fmt: skip
    for place, address in ADDRESSES.items():
        places[place] = [mail for mail in mails if address in mail["to"]]
    known = ADDRESSES.values()
    places["mail to others"] = [m for m in mails if not any(a in m["to"] for a in known)]
    return places


@pytest.fixture(scope="module")
def seen(cloud: LocalCloud, halyard: Json) -> Seen:
    story = join(cloud, halyard["id"])
    use(story)
    write(story)
    staff(story)
    settled(cloud.control)
    before = looked_at(cloud.control)
    leave(story)
    cloud.control.run("erasure_sweep")
    settled(cloud.control)
    canaries = everything(story.customer.fields["login"], story.tokens)
    return Seen(before, looked_at(cloud.control), canaries)


def names(canaries: list[Canary], place: Any) -> set[str]:
    """Of the canaries that a place holds, whatever its shape."""
    values = [each.value for each in canaries]
    parts = place if isinstance(place, list) else [place]
    held = {value for part in parts for value in found_in(part, values)}
    return {each.name for each in canaries if each.value in held}


def misplaced(canaries: list[Canary], places: dict[str, Any]) -> dict[str, set[str]]:
    """By place, the names of what does not belong there; a failure shows no value."""
    found = {
        place: names([each for each in canaries if place not in each.at], held)
        for place, held in places.items()
    }
    return {place: what for place, what in found.items() if what}


class TestNothingLeaks:
    @pytest.mark.guarantee("G5", "G8", "G9")
    @pytest.mark.promise("PS-46", "PS-49", "PS-58")
    def test_each_value_is_where_it_belongs_and_nowhere_else_while_it_is_used(
        self, seen: Seen
    ) -> None:
        assert len(seen.canaries) >= 40
        assert len({each.value for each in seen.canaries}) == len(seen.canaries)
        assert misplaced(seen.canaries, seen.before) == {}

    @pytest.mark.guarantee("G10")
    @pytest.mark.promise("PS-46", "PS-49", "PS-58", "PS-70")
    def test_nor_after_its_owner_moved_came_back_rested_and_was_erased(self, seen: Seen) -> None:
        assert misplaced(seen.canaries, seen.after) == {}

    def test_the_look_sees_all_that_there_is(self, seen: Seen) -> None:
        """Without this, an empty place would say nothing, and a wrong place be allowed for ever."""
        for place in ("logs", "calls", "requests", NAMES, RAW_MAIL, "table KeysTable"):
            assert seen.after[place], place
        absent = [
            (each.name, place)
            for each in seen.canaries
            for place in each.at - BY_CHANCE
            if not names([each], seen.after[place])
        ]
        assert absent == []

    def test_a_value_in_a_wrong_place_is_named(self, seen: Seen) -> None:
        email = next(each for each in seen.canaries if each.name == "email")
        packed = base64.b64encode(gzip.compress(json.dumps({"to": email.value}).encode()))
        places = {"logs": [packed.decode()], OWNER: [email.value]}
        assert misplaced([email], places) == {"logs": {"email"}}
