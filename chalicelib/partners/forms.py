"""What the form takes; imported where it is read, because pydantic is."""

from __future__ import annotations

from chalicelib.accounts.forms import Strict


class FetchForm(Strict):
    """A button and nothing else."""
