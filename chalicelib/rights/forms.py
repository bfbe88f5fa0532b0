"""What the forms of leaving take; imported where a form is read, because pydantic is."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from chalicelib.accounts.forms import NameOrEmail, Password, Strict, absent, needed
from chalicelib.rights.rules import LONGEST_WAIT

ERASE, REACTIVATE, DEACTIVATE = "erase", "reactivate", "deactivate"


def some_hours(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) < 3 and int(text) <= LONGEST_WAIT):  # noqa: PLR2004 - two digits
        raise ValueError(f"Enter a whole number of hours, from 0 to {LONGEST_WAIT}.")
    return text


def one_of(*answers: str) -> AfterValidator:
    def check(text: str) -> str:
        if text not in answers:
            raise ValueError("Choose one of the two.")
        return text

    return AfterValidator(check)


Hours = Annotated[str, needed("Enter how many hours to wait."), AfterValidator(some_hours)]


class DeactivateForm(Strict):
    password: Password = absent()


class EraseForm(Strict):
    hours: Hours = absent()
    password: Password = absent()


class ReactivateForm(Strict):
    login: NameOrEmail = absent()
    password: Password = absent()
    what: Annotated[str, one_of(REACTIVATE, ERASE)] = absent()


class RightsForm(Strict):
    """By a mailed link: which of the two, and for erasure after how many hours."""

    what: Annotated[str, one_of(ERASE, DEACTIVATE)] = absent()
    hours: Annotated[str, AfterValidator(some_hours)] = "24"
