"""What a caller may meet, each with the exit code of the launcher and what to do next.

CetrusError                 1
├── Unreachable             3  no usable answer: network, 5xx, garbage, asked to wait
│   └── Unverified          3  an answer came, but nothing that Cetrus signed for this question
├── Refused                 4  a signed verdict says no
├── SignInNeeded            5  not signed in, or the sign-in has ended
│   ├── SignInDenied        5  the person declined
│   └── SignInExpired       5  the code was not approved in time
├── Problem                 6  the service rejected the request as it was made
├── BadRelease              7  a release whose signature, size or checksum is not right
│   └── UnsafeArchive       7  an archive that would write outside its folder
├── NotInstalled            8
└── StateTrouble            9  the state folder cannot be read, written or locked
"""

from __future__ import annotations


class CetrusError(Exception):
    """An expected failure: its text is one plain sentence, `hint` says what to do next."""

    exit_code = 1
    hint = "Run the command again with --debug to see where it failed."

    def __init__(self, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint or type(self).hint


class Unreachable(CetrusError):
    """Nothing that decides was heard; `retry_after` is the wait in seconds the answer asked for."""

    exit_code = 3
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
    """A signed no; `code` is one of the documented verdict codes."""

    exit_code = 4

    def __init__(self, code: str, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(
            detail or f"Cetrus refused: {code}.", hint=REFUSAL_HINTS.get(code, OTHER_REFUSAL)
        )
        self.code = code
        self.retry_after = retry_after


class SignInNeeded(CetrusError):
    exit_code = 5
    hint = "Run `cetrus login APPLICATION` to sign in on this computer."


class SignInDenied(SignInNeeded):
    hint = "Run the command again and approve the code if it was you who asked."


class SignInExpired(SignInNeeded):
    hint = "Run the command again and approve the new code before it expires."


class Problem(CetrusError):
    """A 4xx answer: `status` and the stable `code` of the problem."""

    exit_code = 6
    hint = "Check the names given; the code in parentheses has a page in the documentation."

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code or status})", hint=PROBLEM_HINTS.get(code))
        self.status = status
        self.code = code


class BadRelease(CetrusError):
    exit_code = 7
    hint = "Nothing was installed. Try again; if it fails the same way, tell the vendor."


class UnsafeArchive(BadRelease):
    hint = "Nothing was installed. Tell the vendor what is named here."


class NotInstalled(CetrusError):
    exit_code = 8
    hint = "Run `cetrus install APPLICATION` first."


class StateTrouble(CetrusError):
    exit_code = 9
    hint = "Set CETRUS_HOME to a folder that this user can write to."


PROBLEM_HINTS = {
    "license_needed": "Open the page of the application in a browser and choose a plan.",
    "not_found": "Check the name; it is the last part of the address of the application's page.",
    "token_expired": "Run `cetrus login APPLICATION` to sign in again.",
}
OTHER_REFUSAL = "Open your account page, or ask the owner of the license."
REFUSAL_HINTS = {
    "UNKNOWN": "Check that this account has a license for the application.",
    "SUSPENDED": "Contact the vendor of the application.",
    "PAYMENT_DUE": "Open your account page and settle the open invoice.",
    "EXPIRED": "Open your account page and renew the license.",
    "SEATS_FULL": "End the application on another computer, or wait and try again.",
    "COMPUTERS_FULL": "Remove a computer on your account page under Computers.",
    "COMPUTER_BLOCKED": "Allow this computer again on your account page under Computers.",
    "PASS_USED_UP": "Open your account page and buy more time.",
    "CAP_REACHED": "Open your account page and raise the spend cap.",
    "RELEASE_WITHDRAWN": "Run `cetrus install APPLICATION` to get the current release.",
}
