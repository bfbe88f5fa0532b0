"""What a caller may meet, each with the exit code of the launcher and what to do next.

CetrusError               101  something else failed
├── Unreachable           103  no usable answer: network, 5xx, garbage, asked to wait
│   └── Unverified        103  an answer came, but nothing that Cetrus signed for this question
├── Refused               104  a signed verdict says no; 110 to 113 where a code says what helps
├── SignInNeeded          105  not signed in, or the sign-in has ended
│   ├── SignInDenied      105  the person declined
│   └── SignInExpired     105  the code was not approved in time
├── Problem               106  the service rejected the request as it was made
├── BadRelease            107  a release whose signature, size or checksum is not right
│   └── UnsafeArchive     107  an archive that would write outside its folder
├── NotInstalled          108
└── StateTrouble          109  the state folder cannot be read, written or locked

They are above 100 because `cetrus run` ends with the exit code of the program that it started,
and programs of their own accord rarely end with those.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

LONG_WAIT_S, LONGEST_WAIT_S = 43_200.0, 31_536_000.0


class Interrupted(KeyboardInterrupt):
    """A signal asked this process to end; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class CetrusError(Exception):
    """An expected failure: its text is one plain sentence, `hint` says what to do next."""

    exit_code = 101
    hint = "Run the command again with --debug to see where it failed."

    def __init__(self, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint or type(self).hint


class Unreachable(CetrusError):
    """Nothing that decides was heard; `retry_after` is the wait in seconds the answer asked for."""

    exit_code = 103
    hint = "Check the network connection and try again in a minute."

    def __init__(
        self, detail: str, *, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(detail, hint=hint)
        self.retry_after = retry_after


class Unverified(Unreachable):
    """An answer that Cetrus did not sign, or not for what was asked: it decides nothing."""

    hint = (
        "Something between this computer and Cetrus may be changing the answers, such as a "
        "network sign-in page. Open a web page, then try again."
    )


class Refused(CetrusError):
    """A signed no; `code` is one of the documented verdict codes, `retry_after` is in seconds."""

    exit_code = 104

    def __init__(self, code: str, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail or f"Cetrus refused: {code}.", hint=_advice(code, retry_after))
        self.code = code
        self.retry_after = retry_after
        self.exit_code = REFUSAL_CODES.get(code, type(self).exit_code)


class SignInNeeded(CetrusError):
    exit_code = 105
    hint = "Run `cetrus login APPLICATION` to sign in on this computer."


class SignInDenied(SignInNeeded):
    hint = "Run the command again and approve the code if it was you who asked."


class SignInExpired(SignInNeeded):
    hint = "Run the command again and approve the new code before it expires."


class Problem(CetrusError):
    """A 4xx answer: `status` and the stable `code` of the problem."""

    exit_code = 106
    hint = "Check the names given; the code in parentheses has a page in the documentation."

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code or status})", hint=PROBLEM_HINTS.get(code))
        self.status = status
        self.code = code


class BadRelease(CetrusError):
    exit_code = 107
    hint = "Nothing was installed. Try again; if it fails the same way, tell the vendor."


class UnsafeArchive(BadRelease):
    hint = "Nothing was installed. Tell the vendor what is named here."


class NotInstalled(CetrusError):
    exit_code = 108
    hint = "Run `cetrus install APPLICATION` first."


class StateTrouble(CetrusError):
    exit_code = 109
    hint = "Set CETRUS_HOME to a folder that this user can write to."


PROBLEM_HINTS = {
    "license_needed": "Open the page of the application in a browser and choose a plan.",
    "not_found": "Check the name; it is the last part of the address of the application's page.",
    "invalid_dpop_proof": (
        "Use the very address that the service calls itself, and check the clock of this "
        "computer: `cetrus status` tells both."
    ),
    "invalid_client": "Check the name; it is the last part of the address of its page.",
    "token_expired": "Run `cetrus login APPLICATION` to sign in again.",
}
OTHER_REFUSAL = "Open your account page, or ask the owner of the license."
REFUSAL_HINTS = {
    "UNKNOWN": "Check that this account has a license for the application.",
    "SUSPENDED": "Contact the vendor of the application.",
    "PAYMENT_DUE": "Open your account page and settle the open invoice.",
    "EXPIRED": "Open the page of the application in a browser and choose a plan.",
    "SEATS_FULL": "End the application on another computer, or wait and try again.",
    "COMPUTERS_FULL": "Remove a computer on your account page under Computers.",
    "COMPUTER_BLOCKED": "Allow this computer again on your account page under Computers.",
    "PASS_USED_UP": "Open the page of the application in a browser and buy more time.",
    "CAP_REACHED": "Open your account page and raise the spend cap.",
    "RELEASE_WITHDRAWN": "Run `cetrus update APPLICATION` to get the current release.",
    "RELEASE_UNKNOWN": "Run `cetrus install APPLICATION` to get the current release.",
}
# What a script may do about it: wait, pay, order anew, update.
REFUSAL_CODES = {
    "SEATS_FULL": 110,
    "OFFLINE_FULL": 110,
    "CAP_REACHED": 111,
    "PASS_USED_UP": 111,
    "PAYMENT_DUE": 111,
    "EXPIRED": 112,
    "RELEASE_WITHDRAWN": 113,
    "RELEASE_UNKNOWN": 113,
}


def _advice(code: str, retry_after: float | None) -> str:
    """What to do, and from when, in the time of this computer."""
    hint = REFUSAL_HINTS.get(code, OTHER_REFUSAL)
    if retry_after is None:
        return hint
    return f"{hint} Try again {in_words(retry_after)}."


def in_words(seconds: float) -> str:
    """`at 14:32:10`, today's date left out; a day and more is in hours."""
    if seconds >= LONG_WAIT_S:
        return f"in {min(seconds, LONGEST_WAIT_S) / 3600:.0f} hours"
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return f"at {moment.astimezone():%H:%M:%S}"
