"""Mailings: their states, what their texts may hold, and the hash that two people agree on.

    draft --submit--> submitted --approve--> approved --schedule--> scheduled --begin--> sending
                          |                     |                       |                   |
                          |                     |                       |       finish: all written
                          |                     |                       |                   v
                          |                     |                       |                 sent
    draft to sent --cancel--> canceled          |                       |
    submitted to sent --refuse--> refused <-----+-----------------------+

| step | who | condition |
|---|---|---|
| write, change | role service | a draft of one's own; the text passes every check |
| submit | role service, the author | it is a draft; its hash is kept |
| approve | role privacy, **not the author** | it is submitted, with the hash that was looked at |
| refuse | role privacy, saying why | submitted or later, and mails may still be handed over |
| schedule | role service | it is approved |
| count | the planner | it is submitted or approved, and no mail of it is written yet |
| begin, finish | the planner | its instant has come; its hash is the approved one |
| cancel | role service | mails of it may still be handed over |

`sent` says that every mail is written: they are handed over afterwards, within `LATEST`.
A launch screen has no mail to send: scheduled, it shows from its first instant to its last.

CetrusError
├── InvalidInput
│   └── TextRefused       a field is missing or holds what it may not
└── Conflict
    ├── WrongState        the step is not one from the state that it is in, or not for this person
    ├── CountedAnew       the number of people that was shown before it goes out is another by now
    └── OwnMailing        the author cannot approve it
Unapproved (mail.rules)   not the text that was approved, or no longer to be sent: it never goes out
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from chalicelib.catalog.rules import TRIAL
from chalicelib.core.clock import DAY, day_of, from_text
from chalicelib.core.errors import Conflict, InvalidInput
from chalicelib.core.signing import canonical
from chalicelib.mail.rules import LAWS, Unapproved
from chalicelib.mailings.texts import FIELDS, KINDS, TEXTS, WRAPPER, Channel, FieldKind, Kind
from chalicelib.mailings.wording import SHAPES, is_day, wording_flaw

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chalicelib.catalog.rules import Plan

PAID = "paid"
LONGEST_SCREEN = 90 * DAY
LATEST = 14 * DAY
"""After its instant no mail of a mailing is worth sending."""
LONGEST_REASON = 200


class State(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    CANCELED = "canceled"


FROM: Mapping[str, frozenset[State]] = {
    "submit": frozenset({State.DRAFT}),
    "approve": frozenset({State.SUBMITTED}),
    "refuse": frozenset(
        {State.SUBMITTED, State.APPROVED, State.SCHEDULED, State.SENDING, State.SENT}
    ),
    "schedule": frozenset({State.APPROVED}),
    "begin": frozenset({State.SCHEDULED}),
    "finish": frozenset({State.SENDING}),
    "cancel": frozenset(
        {
            State.DRAFT, State.SUBMITTED, State.APPROVED, State.SCHEDULED, State.SENDING,
            State.SENT,
        }
    ),
}  # fmt: skip
OVER = frozenset({State.REFUSED, State.CANCELED})
"""The states from which there is no step, but to write it again."""
WAITING = frozenset({State.SUBMITTED, State.APPROVED})
"""The states in which whom it could go to is counted."""
GOING_OUT = frozenset({State.SENDING, State.SENT})
"""The states in which what was written to the outbox may be handed over."""


class TextRefused(InvalidInput):
    """`errors` has a sentence for each field that holds what it may not."""


class WrongState(Conflict):
    code = "mailing_state"
    title = "That is not the next step"
    detail = "Somebody was here before, or this is not yours to do. Look at the mailing again."


class CountedAnew(Conflict):
    code = "mailing_counted"
    title = "The number of people is another by now"
    detail = "It did not go out, because the number of people was counted again. Look at it first."


class OwnMailing(Conflict):
    code = "own_mailing"
    title = "A second person approves"
    detail = "You wrote this mailing, so somebody else has to approve it."


@dataclass(frozen=True, slots=True)
class Content:
    """What a mailing says. `application` is the id and name of the one that it is about, or ""."""

    kind: Kind
    text: str
    fields: Mapping[str, str] = field(repr=False)
    application: str = ""
    application_name: str = ""

    @property
    def values(self) -> dict[str, str]:
        shown = {n: shown_field(n, self.fields.get(n, "")) for n in TEXTS[self.text].fields}
        return {**shown, "application": self.application_name}

    @property
    def title(self) -> str:
        return TEXTS[self.text].title.format_map(self.values)

    @property
    def paragraphs(self) -> list[str]:
        """Each by itself: a line that the author began is one too."""
        values = self.values
        told = [paragraph.format_map(values) for paragraph in TEXTS[self.text].paragraphs]
        return [line for paragraph in told for line in paragraph.split("\n") if line]

    @property
    def sha256(self) -> str:
        """The hash of what is approved: the wording, what was filled in, and the mail around it."""
        text = TEXTS[self.text]
        wrapper = WRAPPER if KINDS[self.kind].channel is Channel.MAIL else ""
        told = [
            self.kind, self.text, text.title, list(text.paragraphs), list(text.fields),
            dict(self.fields), self.application, self.application_name, wrapper,
        ]  # fmt: skip
        return hashlib.sha256(canonical(told)).hexdigest()


@dataclass(frozen=True, slots=True)
class Count:
    """How many people a mailing could go to at most, as counted at this instant."""

    people: int
    at: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a mailing was refused, by which member of staff, and when."""

    why: str = field(repr=False)
    by: str
    at: int


@dataclass(frozen=True, slots=True)
class Mailing:
    """One mailing. `at` is when it is sent, or first shown; `until` when a screen ends."""

    id: str
    content: Content
    author: str
    state: State
    created_at: int
    sha256: str | None = None
    approved: str | None = None
    approver: str | None = None
    at: int | None = None
    until: int | None = None
    cursors: Mapping[int, str] = field(default_factory=dict)
    count: Count | None = None
    refusal: Refusal | None = None

    @property
    def channel(self) -> Channel:
        return KINDS[self.content.kind].channel

    def may(self, step: str, now: int) -> bool:
        """Whether the step is one from here; what is sent is over once no mail can still go."""
        over = self.state is State.SENT and now >= (self.at or 0) + LATEST
        return self.state in FROM[step] and not over

    def shows(self, now: int) -> bool:
        """Whether it is a launch screen that is shown now: from its first instant to its last."""
        return self.at is not None and self.until is not None and self.at <= now < self.until

    def scheduled(self, at: int, until: int | None) -> Mailing:
        return replace(self, state=State.SCHEDULED, at=at, until=until)

    @property
    def listed(self) -> str:
        """Where it stands in the list, which the newest leads."""
        return f"{self.created_at:015d}#{self.id}"

    def as_approved(self) -> Content:
        """What two people agreed on; Unapproved where it is another text by now."""
        if self.approved is None or self.content.sha256 != self.approved:
            raise Unapproved(self.id)
        return self.content


class Bought(Protocol):
    """What must be known of an order."""

    @property
    def state(self) -> str: ...
    @property
    def card_for(self) -> str | None: ...
    @property
    def plan(self) -> Plan: ...


def established(confirmed_at: int | None, orders: Iterable[Bought]) -> bool:
    """Whether somebody is an established member: confirmed, with at least one paid order (PS-59).

    A trial pays nothing, and another card for a subscription is no order of anything.
    """
    paid = (order for order in orders if order.state == PAID and order.card_for is None)
    return confirmed_at is not None and any(order.plan.kind != TRIAL for order in paid)


# what a text may hold


def flaws(content: Content) -> dict[str, str]:
    """A sentence for each field that holds what it may not, by its name."""
    text, rule = TEXTS.get(content.text), KINDS[content.kind]
    if text is None or content.kind not in text.kinds:
        return {"text": "Choose a text that fits."}
    found = {name: flaw for name in text.fields if (flaw := field_flaw(name, content))}
    if extra := set(content.fields) - set(text.fields):
        found[min(extra)] = "This text has no such field."
    if rule.of_application != bool(content.application):
        found["application"] = "Choose the application that this is about."
    elif flaw := wording_flaw(
        content.application_name, promotes=may_promote(content.kind), named=content.application_name
    ):
        found["application"] = f"The name of the application cannot be told here. {flaw}"
    if content.fields.get("begins", "") >= content.fields.get("ends", "~") and "ends" not in found:
        found["ends"] = "Choose an end that is later than the beginning, on the same day."
    return found


def over_at(content: Content) -> int | None:
    """When the maintenance that it tells of is over; None where it tells of none."""
    day, ends = content.fields.get("day"), content.fields.get("ends")
    return from_text(f"{day}T{ends}:00+00:00") if day and ends else None


def check_to_come(content: Content, now: int) -> None:
    """TextRefused at its day, or at its end where that was today, once the maintenance is over."""
    over = over_at(content)
    if over is not None and over <= now:
        name = "ends" if day_of(now) == content.fields["day"] else "day"
        raise TextRefused(errors={name: "This is over already. Choose a time that is to come."})


def reason_flaw(why: str) -> str:
    """What is wrong with the reason of a refusal; "" for nothing."""
    if not why:
        return "Say why, in a sentence: its author reads it."
    if len(why) > LONGEST_REASON:
        return f"This is too long: at most {LONGEST_REASON} characters."
    return wording_flaw(why, promotes=True)


def check(content: Content) -> Content:
    """The content; TextRefused where a field holds what it may not."""
    if found := flaws(content):
        raise TextRefused(errors=found)
    return content


def field_flaw(name: str, content: Content) -> str:
    spec, value = FIELDS[name], content.fields.get(name, "")
    if not value:
        return f"{spec.label}: this is needed."
    if len(value) > spec.most:
        return f"This is too long: at most {spec.most} characters."
    if spec.kind in SHAPES:
        fits, sentence = SHAPES[spec.kind]
        return "" if fits(value) else sentence
    if spec.kind is FieldKind.LINE and "\n" in value:
        return "Use one line."
    return wording_flaw(value, promotes=may_promote(content.kind), named=content.application_name)


def may_promote(kind: Kind) -> bool:
    mail_class = KINDS[kind].mail_class
    return mail_class is not None and LAWS[mail_class].promotes


def shown_field(name: str, value: str) -> str:
    if FIELDS[name].kind is FieldKind.DAY and is_day(value):
        day = date.fromisoformat(value)
        return f"{day.day} {day:%B %Y}"
    return "\n".join(filter(None, (" ".join(line.split()) for line in value.split("\n"))))
