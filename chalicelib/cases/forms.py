"""What the contact form takes; imported where a form is read, because pydantic is."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from chalicelib.accounts.forms import (
    Email,
    Phone,
    Strict,
    absent,
    at_most,
    needed,
    no_card,
    no_link,
    text,
)
from chalicelib.cases.rules import Kind

LONGEST = 4000


def known_kind(value: str) -> str:
    if value not in list(Kind):
        raise ValueError("Choose what it is about.")
    return value


class ContactForm(Strict):
    about: Annotated[str, needed("Choose what it is about."), AfterValidator(known_kind)] = absent()
    email: Email = absent()
    name: Annotated[str, *text(100), AfterValidator(no_link)] = ""
    phone: Phone = ""
    message: Annotated[
        str, needed("Write what it is about."), at_most(LONGEST), AfterValidator(no_card)
    ] = absent()

    def fields(self) -> dict[str, str]:
        """What is sealed; whatever is empty is not kept."""
        values = {
            "email": self.email, "name": self.name, "phone": self.phone, "message": self.message,
        }  # fmt: skip
        return {name: value for name, value in values.items() if value}
