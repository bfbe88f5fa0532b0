"""What the pages of licenses accept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

LONGEST_LABEL = 40


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
