"""The errors that a caller may meet, each with its HTTP status and its stable code.

CetrusError
├── InvalidInput          422  a field is wrong; names the fields
│   └── Malformed         400  the body cannot be read at all
├── Unauthorized          401  no usable credential
├── Forbidden             403  known, but not allowed
├── NotFound              404  unknown and foreign look alike
├── Conflict              409  the state has moved, or a key was used with another body
├── TooLarge              413
├── UnsupportedMedia      415
├── TooMany               429  names the seconds to wait
└── Unavailable           503  try again later

A feature's own errors stand beside the rule that raises them and derive from one of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class CetrusError(Exception):
    """An expected failure: `code` is stable, `detail` is one plain sentence safe for anybody."""

    status = 500
    code = "internal"
    title = "Something failed on our side"
    detail = "The request failed on our side. Try again in a minute."
    ways: tuple[tuple[str, str], ...] = ()
    """Where a person goes on from its page: paths of ours with what their links say."""

    def __init__(
        self,
        detail: str | None = None,
        *,
        code: str | None = None,
        errors: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail or type(self).detail
        self.code = code or type(self).code
        self.errors = dict(errors or {})
        self.headers: dict[str, str] = {}
        super().__init__(self.code)


class InvalidInput(CetrusError):
    """A field is missing, unknown or wrong; `errors` maps each field to one sentence."""

    status = 422
    code = "invalid_input"
    title = "Some of what was sent is not right"
    detail = "Correct the fields named and send it again."


class Malformed(InvalidInput):
    status = 400
    code = "malformed"
    title = "The request cannot be read"
    detail = "The body is not what its content type says."


class Unauthorized(CetrusError):
    status = 401
    code = "unauthorized"
    title = "Sign in first"
    detail = "A valid credential is needed."


class Forbidden(CetrusError):
    status = 403
    code = "forbidden"
    title = "Not allowed"
    detail = "This is not allowed."


class NotFound(CetrusError):
    status = 404
    code = "not_found"
    title = "Not found"
    detail = "There is nothing here."


class Conflict(CetrusError):
    status = 409
    code = "conflict"
    title = "This conflicts with what is there"
    detail = "The state has changed, or the key was used before with another body."


class TooLarge(CetrusError):
    status = 413
    code = "too_large"
    title = "Too large"
    detail = "The body is larger than this accepts."


class UnsupportedMedia(CetrusError):
    status = 415
    code = "unsupported_media"
    title = "Content type not accepted"
    detail = "Send the content type that the documentation names."


class TooMany(CetrusError):
    """A limit was reached; the answer carries Retry-After in whole seconds."""

    status = 429
    code = "too_many_requests"
    title = "Too many attempts"
    detail = "Wait a little and try again."

    def __init__(self, retry_after: int, detail: str | None = None) -> None:
        super().__init__(detail)
        self.headers["Retry-After"] = str(max(1, retry_after))


class Unavailable(CetrusError):
    """Not for now; the answer carries Retry-After in whole seconds."""

    status = 503
    code = "unavailable"
    title = "Not available just now"
    detail = "This part of the service is not available just now. Try again in a minute."
    retry_after = 5  # programs come back sooner than people, and a lease lives for minutes

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail)
        self.headers["Retry-After"] = str(self.retry_after)
