"""What the pages of signing in computers accept."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DeviceForm(BaseModel):
    """`decision` comes with the second step, once the person has seen who asks."""

    model_config = ConfigDict(extra="forbid")

    user_code: str = Field(min_length=1, max_length=40)
    decision: Literal["approve", "deny"] | None = None
