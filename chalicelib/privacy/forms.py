"""What the forms about privacy take; imported where a form is read, because pydantic is."""

from __future__ import annotations

from typing import Literal

from chalicelib.accounts.forms import Strict


class CookieForm(Strict):
    interest: Literal["off", "on"]
