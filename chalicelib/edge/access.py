"""Who may call what: one table, decided here before any view runs.

| rule | the caller is |
|---|---|
| ANYONE | nobody in particular; no credential is looked at |
| VISITOR | whoever is signed in, or nobody: the page says who |
| PERSON | signed in; a browser without a session is led to the sign-in page |
| APPLICATION | an access token or a license key, with the computer's proof |
| PROOF | the computer's proof over a signed lease; the view verifies it without a read |
| VENDOR | a vendor program's token |
| STAFF_VISITOR | whoever of the staff is signed in, or nobody |
| STAFF | signed in as staff, with any role; a browser without such a session is led to their door |
| STAFF_OPERATOR, … | the same, with that role; another role is refused |
| PROCESSOR | the card processor's signature over the raw body; the view verifies it |
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from chalicelib.core.errors import Forbidden, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.core.caller import Caller
    from chalicelib.edge.request import Request

    Resolver = Callable[[Request], Caller | None]


class Rule(Enum):
    ANYONE = "anyone"
    VISITOR = "visitor"
    PERSON = "person"
    APPLICATION = "application"
    PROOF = "proof"
    VENDOR = "vendor"
    PROCESSOR = "processor"
    STAFF_VISITOR = "staff_visitor"
    STAFF = "staff"
    STAFF_OPERATOR = "operator"
    STAFF_BILLING = "billing"
    STAFF_SERVICE = "service"
    STAFF_PRIVACY = "privacy"


ACCESS: dict[str, Rule] = {
    # pages for anybody
    "GET /": Rule.VISITOR,
    "GET /apps": Rule.ANYONE,
    "GET /apps/{slug}": Rule.VISITOR,
    "GET /status": Rule.VISITOR,
    "GET /privacy": Rule.VISITOR,
    "GET /privacy/cookies": Rule.ANYONE,
    "POST /privacy/cookies": Rule.ANYONE,
    "GET /privacy/security": Rule.VISITOR,
    "GET /privacy/v/{number}": Rule.VISITOR,
    "GET /privacy/v/{number}/changes": Rule.VISITOR,
    "GET /privacy/v/{number}/uses": Rule.VISITOR,
    "GET /privacy/cookies/reading": Rule.VISITOR,
    "GET /privacy/proof": Rule.VISITOR,
    "GET /privacy/proof/{section}": Rule.VISITOR,
    "GET /privacy/proof.json": Rule.ANYONE,
    "GET /privacy/inventory.json": Rule.ANYONE,
    "GET /contact": Rule.VISITOR,
    "POST /contact": Rule.VISITOR,
    "GET /problems": Rule.VISITOR,
    "GET /problems/{code}": Rule.VISITOR,
    "GET /exit": Rule.VISITOR,
    "GET /assets/{name}": Rule.ANYONE,
    "GET /.well-known/gpc.json": Rule.ANYONE,
    "GET /partners/{token}": Rule.VISITOR,
    "POST /partners/{token}": Rule.VISITOR,
    # staff
    "GET /staff": Rule.STAFF,
    "GET /staff/login": Rule.STAFF_VISITOR,
    "POST /staff/login": Rule.STAFF_VISITOR,
    "POST /staff/logout": Rule.STAFF,
    "GET /staff/policy": Rule.STAFF_PRIVACY,
    "POST /staff/policy": Rule.STAFF_PRIVACY,
    "GET /staff/mailings": Rule.STAFF,
    "POST /staff/mailings": Rule.STAFF_SERVICE,
    "GET /staff/mailings/new": Rule.STAFF_SERVICE,
    "GET /staff/mailings/{mailing_id}": Rule.STAFF,
    "GET /staff/mailings/{mailing_id}/text": Rule.STAFF_SERVICE,
    "POST /staff/mailings/{mailing_id}/text": Rule.STAFF_SERVICE,
    "POST /staff/mailings/{mailing_id}/submit": Rule.STAFF_SERVICE,
    "POST /staff/mailings/{mailing_id}/approve": Rule.STAFF_PRIVACY,
    "POST /staff/mailings/{mailing_id}/refuse": Rule.STAFF_PRIVACY,
    "POST /staff/mailings/{mailing_id}/schedule": Rule.STAFF_SERVICE,
    "POST /staff/mailings/{mailing_id}/send": Rule.STAFF_SERVICE,
    "POST /staff/mailings/{mailing_id}/cancel": Rule.STAFF_SERVICE,
    "GET /staff/trends": Rule.STAFF_OPERATOR,
    "GET /staff/trends.csv": Rule.STAFF_OPERATOR,
    # accounts
    "GET /register": Rule.VISITOR,
    "POST /register": Rule.VISITOR,
    "GET /register/sent": Rule.VISITOR,
    "GET /verify/{token}": Rule.VISITOR,
    "POST /verify/{token}": Rule.VISITOR,
    "GET /login": Rule.VISITOR,
    "POST /login": Rule.VISITOR,
    "POST /logout": Rule.PERSON,
    "POST /logout/everywhere": Rule.PERSON,
    "GET /forgot": Rule.VISITOR,
    "POST /forgot": Rule.VISITOR,
    "GET /forgot/sent": Rule.VISITOR,
    "GET /reset/{token}": Rule.VISITOR,
    "POST /reset/{token}": Rule.VISITOR,
    "GET /account": Rule.PERSON,
    "GET /account/setup": Rule.PERSON,
    "POST /account/setup": Rule.PERSON,
    "GET /account/notices": Rule.PERSON,
    "POST /account/notices": Rule.PERSON,
    "POST /account/notices/works-again": Rule.PERSON,
    "GET /unsubscribe/{token}": Rule.VISITOR,
    "POST /unsubscribe/{token}": Rule.ANYONE,
    "GET /account/setup/zone": Rule.PERSON,
    "POST /account/setup/zone": Rule.PERSON,
    "GET /account/setup/password": Rule.PERSON,
    "POST /account/setup/password": Rule.PERSON,
    "GET /account/sessions": Rule.PERSON,
    "POST /account/sessions/end": Rule.PERSON,
    "POST /account/sessions/others": Rule.PERSON,
    "GET /account/email": Rule.PERSON,
    "POST /account/email": Rule.PERSON,
    "GET /account/privacy": Rule.PERSON,
    "POST /account/privacy/choices": Rule.PERSON,
    "GET /account/privacy/receipts/{name}": Rule.PERSON,
    "GET /choices/{token}": Rule.VISITOR,
    "POST /choices/{token}": Rule.VISITOR,
    "GET /email/done": Rule.VISITOR,
    "GET /email/{token}": Rule.VISITOR,
    "POST /email/{token}": Rule.VISITOR,
    "GET /email/stop/{token}": Rule.VISITOR,
    "POST /email/stop/{token}": Rule.VISITOR,
    "GET /email/undo/{token}": Rule.VISITOR,
    "POST /email/undo/{token}": Rule.VISITOR,
    # leaving, and taking one's data along
    "GET /account/privacy/deactivate": Rule.PERSON,
    "POST /account/privacy/deactivate": Rule.PERSON,
    "GET /account/privacy/erase": Rule.PERSON,
    "POST /account/privacy/erase": Rule.PERSON,
    "POST /account/privacy/erase/stop": Rule.PERSON,
    "GET /account/privacy/export": Rule.PERSON,
    "GET /account/privacy/export.json": Rule.PERSON,
    "GET /account/privacy/export.html": Rule.PERSON,
    "GET /reactivate": Rule.VISITOR,
    "POST /reactivate": Rule.VISITOR,
    "GET /rights/done": Rule.VISITOR,
    "GET /rights/{token}": Rule.VISITOR,
    "POST /rights/{token}": Rule.VISITOR,
    "POST /rights/{token}/details": Rule.VISITOR,
    "POST /rights/{token}/correct": Rule.VISITOR,
    "GET /rights/stop/{token}": Rule.VISITOR,
    "POST /rights/stop/{token}": Rule.VISITOR,
    # orders and payments
    "POST /apps/{slug}/orders": Rule.PERSON,
    "GET /orders": Rule.PERSON,
    "GET /orders/{order_id}": Rule.PERSON,
    "POST /orders/{order_id}/checkout": Rule.PERSON,
    "GET /account/subscriptions": Rule.PERSON,
    "GET /account/subscriptions/{license_id}/cancel": Rule.PERSON,
    "POST /account/subscriptions/{license_id}/cancel": Rule.PERSON,
    "POST /account/subscriptions/{license_id}/keep": Rule.PERSON,
    "POST /account/subscriptions/{license_id}/card": Rule.PERSON,
    "POST /webhooks/stripe": Rule.PROCESSOR,
    # downloads
    "GET /account/downloads": Rule.PERSON,
    "GET /account/downloads/{artifact_id}": Rule.PERSON,
    # licenses in the account
    "GET /account/usage": Rule.PERSON,
    "GET /account/usage/days.csv": Rule.PERSON,
    "GET /account/usage/intervals.csv": Rule.PERSON,
    "GET /account/computers": Rule.PERSON,
    "POST /account/computers/keys": Rule.PERSON,
    "POST /account/computers/name": Rule.PERSON,
    "POST /account/computers/end": Rule.PERSON,
    "POST /account/computers/block": Rule.PERSON,
    "POST /account/computers/unblock": Rule.PERSON,
    "GET /account/licenses/{license_id}/people": Rule.PERSON,
    "POST /account/licenses/{license_id}/people": Rule.PERSON,
    "POST /account/licenses/{license_id}/people/end": Rule.PERSON,
    "GET /account/shared/{license_id}": Rule.PERSON,
    "POST /account/shared/{license_id}/leave": Rule.PERSON,
    "GET /invitations/{token}": Rule.VISITOR,
    "POST /invitations/{token}": Rule.PERSON,
    "GET /device": Rule.PERSON,
    "POST /device": Rule.PERSON,
    # programs
    "POST /v1/device/code": Rule.ANYONE,
    "POST /v1/device/token": Rule.ANYONE,
    "POST /v1/licenses/check": Rule.APPLICATION,
    "POST /v1/launches": Rule.APPLICATION,
    "POST /v1/leases/{lease_id}/heartbeats": Rule.PROOF,
    "POST /v1/leases/{lease_id}/end": Rule.PROOF,
    "GET /v1/usage": Rule.APPLICATION,
    "GET /v1/applications/{name}/release": Rule.APPLICATION,
    "GET /v1/artifacts/{artifact_id}": Rule.APPLICATION,
    "GET /v1/keys": Rule.ANYONE,
    "GET /v1/openapi.json": Rule.ANYONE,
    "GET /v1/vendor/applications": Rule.VENDOR,
    "GET /v1/vendor/releases": Rule.VENDOR,
    "POST /v1/vendor/releases/{release_id}/withdraw": Rule.VENDOR,
    "GET /v1/vendor/licenses": Rule.VENDOR,
    "GET /v1/vendor/usage": Rule.VENDOR,
    "PATCH /v1/vendor/licenses/{license_id}": Rule.VENDOR,
    "POST /v1/vendor/licenses/{license_id}/suspend": Rule.VENDOR,
    "POST /v1/vendor/licenses/{license_id}/reinstate": Rule.VENDOR,
    "POST /v1/vendor/licenses/{license_id}/revoke": Rule.VENDOR,
}

FOR_STAFF = frozenset(rule for rule in Rule if rule.name.startswith("STAFF"))
ANY_ROLE = frozenset({Rule.STAFF_VISITOR, Rule.STAFF})

_resolvers: dict[Rule, Resolver] = {}
_notices: list[Callable[[Request], None]] = []


class SignInFirst(Unauthorized):
    """A browser without a session; `location` is where it signs in and comes back from."""

    code = "sign_in_first"

    def __init__(self, path: str, door: str = "/login") -> None:
        super().__init__()
        self.location = f"{door}?next={quote(path, safe='')}"


class WrongRole(Forbidden):
    """Signed in as staff, for something else."""

    code = "wrong_role"
    detail = "Your role at Cetrus does not include this page."


def resolve_with(resolvers: Mapping[Rule, Resolver]) -> None:
    """How each rule finds its caller; `app.py` says so once."""
    _resolvers.update(resolvers)


def notice_with(act: Callable[[Request], None]) -> None:
    """What happens after a request with a caller was not refused; `app.py` says so once."""
    _notices.append(act)


def notice(request: Request) -> None:
    for act in _notices:
        act(request)


def rule_for(method: str, path: str) -> Rule:
    """KeyError, at import, for a route that the table does not list."""
    return ACCESS[f"{'GET' if method == 'HEAD' else method} {path}"]


def way_back(request: Request) -> str:
    """Where to go on after signing in: the page that was asked for, or the account."""
    if request.method not in {"GET", "HEAD"}:
        return "/account"
    return f"{request.path}?{urlencode(request.query)}" if request.query else request.path


def admit(rule: Rule, request: Request) -> Caller | None:
    """The caller under this rule; Unauthorized or SignInFirst where the rule needs one."""
    if rule in {Rule.ANYONE, Rule.PROOF, Rule.PROCESSOR}:
        return None
    if rule in {Rule.VISITOR, Rule.PERSON}:
        caller = _resolvers[Rule.PERSON](request)
        if caller is None and rule is Rule.PERSON:
            raise SignInFirst(way_back(request))
        return caller
    if rule in FOR_STAFF:
        return admit_staff(rule, request)
    caller = _resolvers[rule](request)
    if caller is None:
        raise Unauthorized
    return caller


def admit_staff(rule: Rule, request: Request) -> Caller | None:
    caller = _resolvers[Rule.STAFF](request)
    if caller is None and rule is not Rule.STAFF_VISITOR:
        raise SignInFirst(way_back(request), "/staff/login")
    return caller


def check_role(rule: Rule, caller: Caller | None) -> None:
    """WrongRole where the rule asks for a role that this member of staff has not.

    Judged apart from who it is, so that the page that refuses can say who is signed in.
    """
    if rule in FOR_STAFF - ANY_ROLE and caller and rule.value not in caller.claims["roles"]:
        raise WrongRole
