"""What the form of notices takes; imported where it is read, because pydantic is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from chalicelib.mail.templates import TOPICS

Box = Literal["on", ""]


class NoticesForm(BaseModel):
    """A box a topic. Mail that nobody can decline is named here to be refused (PS-62)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    usage_summary: Box = ""
    installer_updated: Box = ""
    service_notice: Box = ""
    account: str | None = None
    announcement: str | None = None
    policy_change: str | None = None

    def wanted(self) -> list[str]:
        return [topic for topic in TOPICS if getattr(self, topic)]

    def declines_what_nobody_can(self) -> bool:
        return any(
            value is not None for value in (self.account, self.announcement, self.policy_change)
        )


class WorksAgainForm(BaseModel):
    """A button and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
