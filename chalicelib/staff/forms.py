"""What the forms for staff take; imported where a form is read, because pydantic is."""

from __future__ import annotations

from typing import Annotated

from chalicelib.accounts.forms import Password, Strict, absent, at_most, needed


class StaffLoginForm(Strict):
    name: Annotated[str, at_most(254), needed("Enter your name here at work.")] = absent()
    password: Password = absent()
    next: Annotated[str, at_most(500)] = ""


class PublishForm(Strict):
    """`version` is typed, so that nobody publishes by a slip."""

    version: Annotated[str, at_most(4)] = absent()
