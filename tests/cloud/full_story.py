"""One cloud on which all happens that stores or sends something, and what was seen of it.

A later step deletes rows of an earlier one, so that what there ever was is the union of the looks:
one after each step of `full_story_steps`, and some in the middle of one.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3

from chalicelib.privacy.inventory import FAMILIES, TECHNICAL
from chalicelib.storage.wire import from_wire_item
from tests.cloud.conftest import operate
from tests.cloud.people import WEB, Visitor
from tests.cloud.program import Computer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud
    from infra.person import Page
    from tests.cloud.people import Customer

Json = dict[str, Any]
Place = tuple[str, str]
"""A bucket and how keys of a family begin."""


def rows_of(dump: Json) -> list[Json]:
    tables = dump["tables"].values()
    return [from_wire_item(as_bytes(item)) for table in tables for item in table["items"]]


def as_bytes(value: Any) -> Any:
    """The dump's JSON with its binary values as bytes again."""
    if isinstance(value, list):
        return [as_bytes(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if isinstance(raw := value.get("B"), str) and len(value) == 1:
        return {"B": base64.b64decode(raw)}
    return {name: as_bytes(entry) for name, entry in value.items()}


def plain(name: str) -> str:
    """As the inventory spells it: `n:*` is whatever begins so."""
    return f"{name.partition(':')[0]}:*" if ":" in name else name


# what objects say, by the beginning of their keys


def of_lines(data: bytes) -> Iterator[str]:
    for line in gzip.decompress(data).splitlines():
        yield from json.loads(line)


def of_document(data: bytes) -> Iterator[str]:
    yield from json.loads(data)


def of_head(data: bytes) -> Iterator[str]:
    """What is signed; the seal around it is the same for all."""
    yield from json.loads(data)["body"]


def of_mail(_: bytes) -> Iterator[str]:
    yield "mail"


def of_installer(_: bytes) -> Iterator[str]:
    yield from ()


READERS: dict[Place, Callable[[bytes], Iterator[str]]] = {
    ("InstallersBucket", ""): of_installer,
    ("LogsBucket", "usage/"): of_lines,
    ("LogsBucket", "aggregates/"): of_document,
    ("HeadsBucket", "heads/"): of_head,
    ("ProofBucket", "proof/"): of_document,
    ("MailBucket", "in/"): of_mail,
    ("VisitorLogsBucket", ""): of_lines,
}


def place_of(bucket: str, key: str) -> Place | None:
    """The family that the inventory puts this object into."""
    known = ((f.bucket, f.prefix) for f in FAMILIES)
    return next((p for p in known if p[0] == bucket and key.startswith(p[1])), None)


@dataclass
class Seen:
    """All that was ever there, and the objects that are of no family.

    Attributes by type, fields by the purpose that they were sealed for, what objects say by their
    family, and the wrapped keys of each pseudonym.
    """

    types: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    sealed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    objects: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    keys: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    strange: set[Place] = field(default_factory=set)
    known: set[Place] = field(default_factory=set)

    def look(self, control: Control) -> None:
        dump = control.dump()
        for row in rows_of(dump):
            self.types[str(row.get("type"))] |= set(map(plain, row)) - TECHNICAL
            self._note(row)
        for bucket, held in dump["buckets"].items():
            for key in held["keys"]:
                self._read(control, bucket, key)

    def _note(self, row: Json) -> None:
        kind, _, purpose = str(row["sk"]).partition("#")
        if kind == "SEALED":
            names = {name.partition(":")[0] for name in row["fields"]}
            self.sealed[purpose or "fiscal"] |= names
        if row["type"] in {"grant", "held_grant"}:
            self.keys[row["pk"].partition("#")[2]].add(row["data_key"])

    def _read(self, control: Control, bucket: str, key: str) -> None:
        place = place_of(bucket, key)
        if place is None:
            self.strange.add((bucket, key))
        elif (bucket, key) not in self.known:
            said = control.object(bucket, key) if bucket != "InstallersBucket" else b""
            self.objects[place] |= set(READERS[place](said))
        self.known.add((bucket, key))


@dataclass
class Story:
    """What the steps share: the cloud, who takes part in it, and all that was seen."""

    cloud: LocalCloud
    program: str
    """The id of the seeded application."""
    vendor_token: str
    seen: Seen = field(default_factory=Seen)
    people: dict[str, Customer] = field(default_factory=dict)
    computers: dict[str, Computer] = field(default_factory=dict)

    @property
    def control(self) -> Control:
        return self.cloud.control

    def look(self) -> None:
        self.seen.look(self.control)

    def settled(self, *functions: str) -> None:
        """These functions run, and then all that waits."""
        for function in functions:
            self.control.run(function)
        self.control.settle()

    def rows(self, kind: str) -> list[Json]:
        return [row for row in rows_of(self.control.dump()) if row["type"] == kind]

    def fill(self, who: str, path: str, part: str = "", **fields: str) -> Page:
        """Somebody sends the form of a page; of several, the one whose address ends so."""
        part = part or path
        page = self.back(who).open(path)
        page.parsed.forms.sort(key=lambda form: not form.action.endswith(part))
        page = self.people[who].browser.submit(part, **fields)
        assert page.status < 400, page.text
        return page

    def back(self, who: str) -> Customer:
        """Somebody at their browser, signed in again where it has been too long."""
        person = self.people[who]
        if person.open("/login").path == "/login":
            names = {name: person.fields[name] for name in ("login", "password")}
            assert person.browser.submit("/login", **names).path == "/account"
        return person

    def press(self, link: str, part: str) -> Page:
        """Somebody presses the button behind a mailed link, at a browser of their own."""
        visitor = Visitor(self.cloud.app)
        visitor.open(link)
        page = visitor.submit(part)
        assert page.status < 400, page.text
        return page

    def computer(self, who: str, name: str = "") -> Computer:
        """A computer of theirs, signed in anew."""
        found = self.computers.setdefault(name or who, Computer(self.cloud, self.program))
        found.sign_in(self.back(who))
        return found

    def broken_off(self, act: Callable[[], object], function: str, **where: Any) -> None:
        """The function dies in the middle of this; what it leaves is looked at."""
        self.control.fault("kill", function=function, **where)
        act()
        self.control.clear_faults()
        self.look()

    def struck(self, function: str) -> None:
        """It runs, and whatever becomes of it is no failure of the story."""
        WEB.post(f"{self.cloud.app}/_local/run/{function}")

    def dies(self, function: str, **where: Any) -> None:
        """A scheduled function dies in the middle; what it leaves is looked at."""
        self.broken_off(lambda: self.struck(function), function, **where)

    def command(self, *arguments: str) -> Json:
        return operate(self.cloud, *arguments, of="infra.admin")

    def put_object(self, bucket: str, key: str, data: bytes) -> None:
        """As the service that delivers into this bucket does."""
        given = self.cloud.operator
        s3 = boto3.client(
            "s3", endpoint_url=given["AWS_ENDPOINT_URL"], region_name=given["AWS_REGION"],
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        name = self.control.dump()["buckets"][bucket]["name"]
        s3.put_object(Bucket=name, Key=key, Body=data)


def differences(there: set[str], declared: set[str], excused: Iterable[str]) -> dict[str, set[str]]:
    """What is there undeclared, what was declared and never came about, and stale excuses."""
    known = set(excused)
    found = {
        "undeclared": there - declared,
        "never came about": declared - there - known,
        "stale excuses": known - (declared - there),
    }
    return {what: names for what, names in found.items() if names}


def tell(story: Story, steps: tuple[Callable[[Story], None], ...]) -> Story:
    """Every step, and a look after each."""
    for step in steps:
        step(story)
        story.settled()
        story.look()
    return story
