"""What the pages of licenses accept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class KeyForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    license: str = Field(min_length=1, max_length=64)
