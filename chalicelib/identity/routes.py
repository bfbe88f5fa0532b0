"""Signing computers in: the two calls of RFC 8628, and the page where a person says yes or no."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.clock import SECOND
from chalicelib.core.errors import CetrusError, InvalidInput, NotFound, TooMany
from chalicelib.edge.callers import account_of
from chalicelib.edge.csrf import StaleForm
from chalicelib.edge.forms import Filled, form_again, form_page, read_fields, read_form
from chalicelib.edge.responses import as_json, see_other
from chalicelib.edge.routes import FORM, Edge
from chalicelib.edge.urls import absolute
from chalicelib.identity import rules
from chalicelib.identity.callers import application as find_application
from chalicelib.identity.proofs import BadProof, Proof, read_proof
from chalicelib.identity.rules import Refusal
from chalicelib.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from chalice.app import Response

    from chalicelib.core.caller import Caller
    from chalicelib.edge.request import Request
    from chalicelib.identity.rules import Device

routes = Edge(__name__)
PAGE = "identity/device.html"
IN_PLACE = (InvalidInput, StaleForm, NotFound, TooMany)
LONGEST = 512


def program(request: Request) -> Caller | None:
    """The application that calls, by its access token or license key."""
    return find_application(request, wiring.identity(), wiring.licenses())


# for programs


@routes.call("POST", "/v1/device/code", content_types=FORM)
def start_device(request: Request) -> Response:
    """A code for the computer and one for the person; a proof, if sent, ties both to its key."""

    def work(fields: dict[str, str]) -> dict[str, Any]:
        computer = proof_of(request).computer if "dpop" in request.headers else None
        made = wiring.identity().start(needed(fields, "client_id"), computer)
        return {
            "device_code": made.device_code, "user_code": made.user_code,
            "verification_uri": absolute(request, "/device"),
            "expires_in": rules.CODE_LIFE // SECOND, "interval": rules.INTERVAL_S,
        }  # fmt: skip

    return oauth(request, work)


@routes.call("POST", "/v1/device/token", content_types=FORM)
def exchange_token(request: Request) -> Response:
    """Access and refresh token, for an approved device code or the last refresh token."""

    def work(fields: dict[str, str]) -> dict[str, Any]:
        identity, proof = wiring.identity(), proof_of(request)
        by = (proof.computer, proof.jti)
        grant, client = needed(fields, "grant_type"), needed(fields, "client_id")
        match grant:
            case rules.DEVICE_GRANT:
                tokens = identity.exchange(client, needed(fields, "device_code"), *by)
            case rules.REFRESH_GRANT:
                tokens = identity.refresh(client, needed(fields, "refresh_token"), *by)
            case _:
                raise Refusal("unsupported_grant_type", "Use device_code or refresh_token.")
        return {
            "access_token": tokens.access, "token_type": "DPoP",
            "expires_in": rules.ACCESS_LIFE // SECOND, "refresh_token": tokens.refresh,
        }  # fmt: skip

    return oauth(request, work)


def oauth(request: Request, work: Callable[[dict[str, str]], dict[str, Any]]) -> Response:
    """The answer, or the error as RFC 6749 says it; unknown parameters are ignored."""
    try:
        return as_json(work(read_fields(request)))
    except Refusal as refusal:
        return told(refusal)
    except InvalidInput as flaw:
        named = "; ".join(f"{name}: {text}" for name, text in flaw.errors.items())
        return told(Refusal("invalid_request", named or flaw.detail))


def told(refusal: Refusal) -> Response:
    body = {"error": refusal.error, "error_description": refusal.description}
    return as_json(body, status=refusal.status)


def needed(fields: dict[str, str], name: str) -> str:
    value = fields.get(name, "")
    if not value or len(value) > LONGEST:
        raise Refusal("invalid_request", f"{name}: This is needed, at most {LONGEST} characters.")
    return value


def proof_of(request: Request) -> Proof:
    try:
        return read_proof(request, settings().base_url, now=wiring.now())
    except BadProof as error:
        raise Refusal("invalid_dpop_proof", error.detail) from None


# for the person


@routes.page("/device")
def show_device(request: Request) -> Response:
    """Where a person types the code that the computer shows."""
    done = request.query.get("done", "")
    return page(request, done=done if done in {rules.APPROVED, rules.DENIED} else "")


@routes.form("/device")
def decide_device(request: Request) -> Response:
    """First the code alone: which computer asks for what; then with the decision."""
    from chalicelib.identity.forms import DeviceForm

    account = account_of(request)
    try:
        form = read_form(request, DeviceForm, wiring.keyed())
        if form.decision is None:
            return ask(request, wiring.identity().waiting(account, form.user_code), form.user_code)
        approve = form.decision == "approve"
        wiring.identity().decide(account, form.user_code, approve=approve)
    except IN_PLACE as error:
        return again(request, error)
    return see_other(request, f"/device?done={rules.APPROVED if approve else rules.DENIED}")


def ask(request: Request, device: Device, code: str) -> Response:
    return page(
        request, Filled({"user_code": code}), device=device, code=code, computer=device.computer
    )


def page(request: Request, filled: Filled | None = None, **values: Any) -> Response:
    usual = {"device": None, "code": "", "computer": None, "done": ""}
    return form_page(request, wiring.keyed(), PAGE, filled=filled, **{**usual, **values})


def again(request: Request, error: CetrusError) -> Response:
    if isinstance(error, rules.NoSuchCode):
        error.errors = {"user_code": error.detail}
    usual = {"device": None, "code": "", "computer": None, "done": ""}
    return form_again(request, wiring.keyed(), PAGE, error, **usual)
