"""Refusals in Stripe's wire shape.

ApiError                 rolled back: as if the call had never been made
└── CardError (402)      committed: the failed attempt is a fact that stays
"""

from typing import Any

JsonObject = dict[str, Any]

BAD_REQUEST = 400
UNAUTHORIZED = 401
CARD_REFUSED = 402
FORBIDDEN = 403
NOT_FOUND = 404


class ApiError(Exception):
    """A refusal: its status, and the fields of the `error` object."""

    def __init__(self, message: str, status: int = BAD_REQUEST, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error: JsonObject = {"type": "invalid_request_error", **fields, "message": message}

    @property
    def body(self) -> JsonObject:
        return {"error": self.error}


class CardError(ApiError):
    """A declined card or an authentication that failed; what led to it is kept."""

    def __init__(self, message: str, code: str, **fields: Any) -> None:
        super().__init__(message, CARD_REFUSED, type="card_error", code=code, **fields)


def missing_object(
    label: str, object_id: str, param: str = "id", status: int = NOT_FOUND
) -> ApiError:
    return ApiError(f"No such {label}: '{object_id}'", status, code="resource_missing", param=param)


def missing_param(param: str) -> ApiError:
    return ApiError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def invalid_param(message: str, param: str, code: str = "parameter_invalid") -> ApiError:
    return ApiError(message, code=code, param=param)
