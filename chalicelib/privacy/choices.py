"""The questions that a form asks beside a field, and the answers that it brings (PS-74, PS-75).

They come from the policy in force, so that a later version's questions stand on the forms by
themselves. Nothing is ticked beforehand, and there is an answer to each: a hidden `no` comes before
every box, and a form without it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.errors import Conflict
from chalicelib.privacy.rules import Purpose, When

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chalicelib.privacy.rules import Policy

PREFIX = "choice_"
TWICE = frozenset({Purpose.PARTNER_MAIL})
"""Purposes for which a yes counts once it was said a second time, from the mailbox itself."""
GPC = "gpc"
"""What the ledger says of a no that the browser gave (Global Privacy Control)."""


class NotAChoice(Conflict):
    """The purpose comes with the account, or the policy in force does not ask about it (PS-62)."""

    code = "not_a_choice"
    title = "This is not a choice"
    detail = "What comes with the account ends with the account, and cannot be switched alone."


@dataclass(frozen=True, slots=True)
class Question:
    """One use that is a person's own choice, asked beside the field that it would use."""

    purpose: Purpose
    says: str
    beside: str

    @property
    def name(self) -> str:
        """What the form's field is called."""
        return f"{PREFIX}{self.purpose}"

    @property
    def label(self) -> str:
        """As an answer: what the policy says, after a yes."""
        return f"Yes, {self.says[0].lower()}{self.says[1:]}"

    @property
    def twice(self) -> bool:
        return self.purpose in TWICE


def questions(policy: Policy, beside: str = "email") -> tuple[Question, ...]:
    """What this version asks beside a field, in its own order."""
    uses = [(purpose, policy.uses[purpose]) for purpose in policy.granted(When.CHOICE)]
    return tuple(Question(p, use.says, beside) for p, use in uses if use.beside == beside)


def names(asked: Iterable[Question]) -> tuple[str, ...]:
    return tuple(question.name for question in asked)


def chosen(asked: Iterable[Question], answers: Mapping[str, bool]) -> dict[Purpose, bool]:
    """What was answered, by purpose; KeyError where a question has no answer."""
    return {question.purpose: answers[question.name] for question in asked}
