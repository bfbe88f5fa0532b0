"""What the pages of licenses accept."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from chalicelib.accounts.forms import Email, absent, needed
from chalicelib.licenses.members import ROLES

LONGEST_LABEL = 40


def known_role(role: str) -> str:
    if role not in ROLES:
        raise ValueError("Choose one from the list.")
    return role


class KeyForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    license: str = Field(min_length=1, max_length=64)


class LeaseForm(KeyForm):
    lease: str = Field(min_length=1, max_length=64)


class ComputerForm(KeyForm):
    computer: str = Field(min_length=1, max_length=64)


class LabelForm(ComputerForm):
    """An empty label takes the name away."""

    label: str = Field(default="", max_length=LONGEST_LABEL)

    @field_validator("label")
    @classmethod
    def one_line(cls, label: str) -> str:
        if "\n" in label:
            raise ValueError("Use one line.")
        return label


class InviteForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email = absent()
    role: Annotated[str, needed("Choose what they may do."), AfterValidator(known_role)] = absent()


class PlaceForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    invitation: str = Field(min_length=1, max_length=64)
