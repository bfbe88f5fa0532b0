"""What may go wrong with the local cloud.

CloudError            stops the start with one clear line
  StaleDataError      the data folder is not of this program, or of another version of it
InvocationError       a function raised, timed out, was killed, or did not start
NotScheduledError     `run` of a function that no schedule names
"""

from __future__ import annotations

from typing import Any


class CloudError(Exception):
    """Stops the start; the text is one line that says what to do."""


class StaleDataError(CloudError):
    """The data folder is not of this program, or of another version of it."""


class InvocationError(Exception):
    """A function raised, timed out, was killed or did not start; `payload` is Lambda's answer."""

    def __init__(self, function: str, payload: dict[str, Any]) -> None:
        super().__init__(f"{function}: {payload.get('errorType')}: {payload.get('errorMessage')}")
        self.function = function
        self.payload = payload


class NotScheduledError(Exception):
    """`run` of a function that no schedule names (or that does not exist)."""
