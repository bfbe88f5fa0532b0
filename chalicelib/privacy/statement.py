"""The text of the statement, version by version: sentences with the promises that they make.

A version's text is one file, `statements/<number>.toml`, and the words of the policy that stand
beside it. The hash of both is pinned in `policies.TEXTS`, is part of the version's id from version
3 on, and is looked at each time that the text is served: what was altered is not served (PS-78).
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from chalicelib.core.errors import NotFound, Unavailable
from chalicelib.core.signing import canonical
from chalicelib.privacy import policies
from chalicelib.privacy.practices import Practice

FOLDER = Path(__file__).with_name("statements")
LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


class StatementAltered(Unavailable):
    """The text is not the one that its version was published with."""

    code = "statement_altered"
    title = "The statement cannot be shown"
    detail = "Its text is not the one that was published, so we do not show it."
    ways: tuple[tuple[str, str], ...] = (("/contact", "Write to us about it"),)

    def __init__(self, number: int = 1) -> None:
        """`number` is the version at fault: those before it may still be read."""
        super().__init__()
        before = [(f"/privacy/v/{n}", f"Read version {n}") for n in range(number - 1, 0, -1)]
        self.ways = (*before, *type(self).ways)


@dataclass(frozen=True, slots=True)
class Sentence:
    """`keeps` names the promises that it makes; context makes none."""

    id: str
    says: str
    keeps: tuple[str, ...]
    new: bool

    def pieces(self, **words: str) -> list[tuple[str, str]]:
        """Its text and links, in turn, each with the address that it leads to or with none."""
        text, found, at = self.says.format(**words), [], 0
        for link in LINK.finditer(text):
            found += [(text[at : link.start()], ""), (link[1], link[2])]
            at = link.end()
        return [piece for piece in (*found, (text[at:], "")) if piece[0]]


@dataclass(frozen=True, slots=True)
class Section:
    id: str
    title: str
    practices: tuple[Practice, ...]
    sentences: tuple[Sentence, ...]

    def paragraphs(self) -> list[list[Sentence]]:
        found: list[list[Sentence]] = []
        for sentence in self.sentences:
            if sentence.new or not found:
                found.append([])
            found[-1].append(sentence)
        return found


@dataclass(frozen=True, slots=True)
class Statement:
    number: int
    sections: tuple[Section, ...]

    def sentences(self) -> dict[str, Sentence]:
        """Every sentence by section and id, in order."""
        return {f"{s.id}-{each.id}": each for s in self.sections for each in s.sentences}


@dataclass(frozen=True, slots=True)
class Change:
    """A sentence as it was and as it is; None: it was not there, or is not any more."""

    before: Sentence | None
    after: Sentence | None

    @property
    def kind(self) -> str:
        """`added`, `changed` or `gone`; nothing where both say the same."""
        if self.before is None or self.after is None:
            return "gone" if self.after is None else "added"
        return "changed" if self.before.says != self.after.says else ""


@dataclass(frozen=True, slots=True)
class SectionChange:
    """What a section says otherwise, in its order; `stays` and `stood` are whether it is there."""

    id: str
    title: str
    stays: bool
    stood: bool
    changes: tuple[Change, ...]

    def count(self, kind: str) -> int:
        return sum(each.kind == kind for each in self.changes)

    def runs(self) -> list[tuple[str, list[Change]]]:
        """Changes of one kind in a row, with the kind."""
        return [(kind, list(run)) for kind, run in groupby(self.changes, attrgetter("kind"))]


@dataclass(frozen=True, slots=True)
class Differences:
    """What the text of a version says otherwise than version `before`, section by section."""

    before: int
    sections: tuple[SectionChange, ...]

    def count(self, kind: str) -> int:
        return sum(each.count(kind) for each in self.sections)


def read(number: int) -> Statement:
    """The text of a version.

    NotFound for one that was never written, StatementAltered where it is not what was published.
    """
    if number not in policies.VERSIONS:
        raise NotFound
    content = (FOLDER / f"{number}.toml").read_bytes()
    if digest(number, content) != policies.TEXTS.get(number):
        raise StatementAltered(number)
    return parsed(number, content)


def digest(number: int, content: bytes) -> str:
    """Of the text, and of all that the policy's own words put beside it."""
    uses = policies.VERSIONS[number]
    fields = {name: policies.FIELDS[name] for use in uses.values() for name in use["fields"]}
    receive = {n: policies.RECIPIENTS[n] for use in uses.values() for n in use["recipients"]}
    text = hashlib.sha256(content).hexdigest()
    return hashlib.sha256(canonical([number, text, uses, fields, receive])).hexdigest()


@lru_cache(maxsize=8)
def parsed(number: int, content: bytes) -> Statement:
    found = tomllib.loads(content.decode())
    return Statement(number, tuple(map(made, found["section"])))


def made(entry: dict[str, Any]) -> Section:
    sentences = tuple(
        Sentence(each["id"], each["says"], kept(each), each.get("new", False))
        for each in entry["sentence"]
    )
    practices = tuple(map(Practice, entry["practices"]))
    return Section(entry["id"], entry["title"], practices, sentences)


def kept(entry: dict[str, Any]) -> tuple[str, ...]:
    """The promises that a sentence names; ValueError where it neither names one nor is context."""
    keeps = tuple(entry.get("keeps", ()))
    if bool(keeps) == entry.get("context", False):
        raise ValueError(f"{entry['id']}: name the promises that it makes, or call it context")
    return keeps


def differences(before: int, after: int) -> Differences:
    """What the later text says otherwise; of the uses, `changes.differences` tells."""
    old, new = read(before), read(after)
    was, now = ({one.id: one for one in each.sections} for each in (old, new))
    every = {**was, **now}
    order = [*now, *(name for name in was if name not in now)]
    compared = (compare(every[name], was.get(name), now.get(name)) for name in order)
    return Differences(before, tuple(each for each in compared if each.changes))


def compare(shown: Section, was: Section | None, now: Section | None) -> SectionChange:
    """A section as it is beside what it was: what is taken away stands where it stood."""
    old, new = sentences_of(was), sentences_of(now)
    found = [Change(old.get(name), new.get(name)) for name in woven(list(old), list(new))]
    changes = tuple(each for each in found if each.kind)
    return SectionChange(shown.id, shown.title, now is not None, was is not None, changes)


def sentences_of(section: Section | None) -> dict[str, Sentence]:
    return {each.id: each for each in section.sentences} if section else {}


def woven(old: list[str], new: list[str]) -> list[str]:
    """The new names in their order, and each that is gone behind the one that it stood behind."""
    found = list(new)
    for at, name in enumerate(old):
        if name not in new:
            before = next((one for one in reversed(old[:at]) if one in found), None)
            found.insert(found.index(before) + 1 if before else 0, name)
    return found
