"""What the forms of mailings take; imported where a form is read, because pydantic is."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from chalicelib.accounts.forms import Strict, absent, at_most, needed
from chalicelib.core.clock import from_text
from chalicelib.mailings.rules import Content
from chalicelib.mailings.texts import FIELDS, Kind

ONCE = re.compile(r"[A-Za-z0-9_-]{43}")
UNCOUNTED = "uncounted"
NUMBER = re.compile(r"[0-9]{1,12}")
MINUTE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d")


def known_kind(value: str) -> str:
    if value not in set(Kind):
        raise ValueError("Choose a kind from the list.")
    return value


def of_a_page(value: str) -> str:
    if not ONCE.fullmatch(value):
        raise ValueError("Open the page again.")
    return value


def instant(value: str) -> str:
    if value and (not MINUTE.fullmatch(value) or not is_instant(value)):
        raise ValueError("Write a day and a time in UTC, such as 2027-03-31 06:30.")
    return value


def is_instant(value: str) -> bool:
    try:
        from_text(f"{value}:00+00:00")
    except ValueError:
        return False
    return True


Short = Annotated[str, at_most(80)]
Words = Annotated[str, at_most(2000)]
Instant = Annotated[str, AfterValidator(instant)]


class TextForm(Strict):
    """Every field that some text has; the text says which are needed, and no other may be filled.

    None chooses whom it goes to: that is everybody of its kind (PS-36).
    """

    kind: Annotated[str, AfterValidator(known_kind)] = absent()
    text: Annotated[str, at_most(40), needed("Choose a text.")] = absent()
    application: Short = ""
    day: Short = ""
    begins: Short = ""
    ends: Short = ""
    headline: Words = ""
    what: Words = ""
    act: Words = ""
    body: Words = ""
    page: Short = ""
    partner: Words = ""
    web: Annotated[str, at_most(400)] = ""

    def content(self, application: str, application_name: str) -> Content:
        filled = {name: getattr(self, name) for name in FIELDS if getattr(self, name)}
        return Content(Kind(self.kind), self.text, filled, application, application_name)


class DraftForm(TextForm):
    """`once` names this very form, so that sending it twice is sending it once."""

    once: Annotated[str, AfterValidator(of_a_page)] = absent()


class ApproveForm(Strict):
    """The hash of the text that was on the page."""

    seen: Annotated[str, at_most(64), needed("Open the page again.")] = absent()


class RefuseForm(Strict):
    why: Words = ""


def number_shown(value: str) -> str:
    if value != UNCOUNTED and not NUMBER.fullmatch(value):
        raise ValueError("Open the page again.")
    return value


class SendForm(Strict):
    """The number of people that was on the page, or `uncounted` where there was none yet."""

    people: Annotated[str, AfterValidator(number_shown)] = absent()

    def shown(self) -> int | None:
        return None if self.people == UNCOUNTED else int(self.people)


class ScheduleForm(Strict):
    """A launch screen needs an end, and shows from now where its beginning is empty."""

    at: Instant = ""
    until: Instant = ""

    def instants(self) -> tuple[int | None, int | None]:
        at, until = (
            from_text(f"{each}:00+00:00") if each else None for each in (self.at, self.until)
        )
        return at, until
