"""Signing computers in by the device flow, and the tokens that come of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chalicelib.core import signing
from chalicelib.core.clock import SECOND
from chalicelib.core.errors import NotFound, Unavailable
from chalicelib.core.ids import new_id, new_token
from chalicelib.identity import rules
from chalicelib.identity.rules import Device, Family, Refusal, Tokens
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.accounts.service import Accounts
    from chalicelib.catalog.rules import Application
    from chalicelib.catalog.service import Catalog
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.identity.store import IdentityStore
    from chalicelib.licenses.keys import KeyRing
    from chalicelib.licenses.service import Licenses

ACCESS = "at+jwt"
TRIES = 5


@dataclass(frozen=True, slots=True)
class NewDevice:
    """The two codes: one for the computer, one for the person."""

    device_code: str
    user_code: str


class Identity:
    def __init__(
        self, store: IdentityStore, accounts: Accounts, catalog: Catalog, licenses: Licenses,
        ring: KeyRing, keyed: Callable[[], KeyedHash], issuer: str, clock: Clock,
    ) -> None:  # fmt: skip
        self.store, self.accounts, self.catalog, self.licenses = store, accounts, catalog, licenses
        self.ring, self.keyed, self.issuer, self.clock = ring, keyed, issuer, clock

    # what the computer asks

    def start(self, client_id: str, computer: str | None) -> NewDevice:
        """Codes for ten minutes; Refusal for an application that does not exist."""
        application = self._application(client_id)
        now = self.clock()
        for _ in range(TRIES):
            device_code, code = new_token(), rules.new_user_code()
            device = Device(
                self.keyed().of("device-code", device_code), application.id, application.name,
                rules.PENDING, rules.INTERVAL_S, now + rules.CODE_LIFE, computer,
            )  # fmt: skip
            if self.store.add_device(device, self._code_hash(code), now):
                return NewDevice(device_code, rules.shown_code(code))
        raise Unavailable

    def _application(self, client_id: str) -> Application:
        """By its id, or by its short name."""
        if found := self.catalog.application(client_id):
            return found
        try:
            return self.catalog.by_slug(client_id)
        except NotFound:
            raise Refusal("invalid_client", "There is no such application.", 401) from None

    def exchange(self, client_id: str, device_code: str, computer: str, proof: str) -> Tokens:
        """Tokens once the person approved; Refusal while they did not, or if they never will.

        The same request again, by its proof, gets the same tokens: its answer was lost.
        """
        now = self.clock()
        device = self.store.device(self.keyed().of("device-code", device_code))
        if device is None or not self._is_for(device.application, client_id):
            raise Refusal("invalid_grant", "This device code is not known.")
        if device.computer not in {None, computer}:
            raise Refusal("invalid_grant", "Another computer asked for this code.")
        if device.state == rules.DENIED:
            raise Refusal("access_denied", "The person declined.")
        if device.state == rules.USED:
            return self._answered(device.hash, computer, proof, now, "This code was used before.")
        if now >= device.expires_at:
            raise Refusal("expired_token", "This device code has expired.")
        if device.state == rules.PENDING:
            self._wait(device, now)
        return self._begin(device, computer, proof, now)

    def _is_for(self, application_id: str, client_id: str) -> bool:
        return application_id == client_id or self._application(client_id).id == application_id

    def _wait(self, device: Device, now: int) -> None:
        if rules.too_soon(device, now):
            self.store.polled(device, now, device.interval_s + rules.SLOWER_S)
            raise Refusal("slow_down", "Wait five seconds longer between two polls.")
        self.store.polled(device, now, device.interval_s)
        raise Refusal("authorization_pending", "The person has not decided yet.")

    def _begin(self, device: Device, computer: str, proof: str, now: int) -> Tokens:
        family = Family(
            new_id("fam"), device.account or "", device.application, computer, device.epoch or 0,
            rules.LIVE, now + rules.REFRESH_LIFE,
        )  # fmt: skip
        self._require_standing(family)
        refresh = self._after(device.hash, proof)
        try:
            self.store.begin(device, family, self._refresh_hash(refresh))
        except ConditionFailed:
            return self._answered(device.hash, computer, proof, now, "This code was used before.")
        return Tokens(self._access(family, now), refresh)

    def _after(self, used: str, proof: str) -> str:
        """The token that a request gets for what it used: the same request, the same token."""
        return self.keyed().token("refresh-token-after", f"{used}|{proof}")

    def _answered(self, used: str, computer: str, proof: str, now: int, refusal: str) -> Tokens:
        """What this very request was answered before; Refusal if it was another, or is stale."""
        refresh = self._after(used, proof)
        item = self.store.refresh_token(self._refresh_hash(refresh)) or {}
        family = self.store.family(item.get("family", ""))
        unused = item.get("token_state") == rules.CURRENT
        if (
            not unused
            or family is None
            or (family.computer, family.state) != (computer, rules.LIVE)
        ):
            raise Refusal("invalid_grant", refusal)
        self._require_standing(family)
        return Tokens(self._access(family, now), refresh)

    def refresh(self, client_id: str, token: str, computer: str, proof: str) -> Tokens:
        """New tokens for the current refresh token; one that was used before ends the sign-in.

        The same request again, by its proof, gets the same tokens: its answer was lost.
        """
        now = self.clock()
        old_hash = self._refresh_hash(token)
        item = self.store.refresh_token(old_hash)
        family = self.store.family(item["family"]) if item else None
        if family is None or not self._is_for(family.application, client_id):
            raise Refusal("invalid_grant", "This refresh token is not known.")
        if family.computer != computer:
            raise Refusal("invalid_grant", "This refresh token belongs to another computer.")
        self._require_standing(family)
        fresh = self._after(old_hash, proof)
        renewed = replace(family, ends_at=now + rules.REFRESH_LIFE)
        try:
            self.store.rotate(renewed, old_hash, self._refresh_hash(fresh), now)
        except ConditionFailed:
            try:
                return self._answered(old_hash, computer, proof, now, "This sign-in has ended.")
            except Refusal:
                # Used, expired or dead: whoever holds it, the sign-in is over.
                self.store.kill(family.id)
                raise
        return Tokens(self._access(renewed, now), fresh)

    def _require_standing(self, family: Family) -> None:
        if not self._stands(family):
            raise Refusal("invalid_grant", "This sign-in has ended.")

    def _stands(self, family: Family) -> bool:
        """The account is active, and was not signed out everywhere since."""
        account = self.accounts.account(family.account)
        return account is not None and account.active and account.epoch == family.epoch

    # access tokens

    def _access(self, family: Family, now: int) -> str:
        ids = self.licenses.in_launch_order(family.account, family.application, rules.MOST_LICENSES)
        claims = {
            "iss": self.issuer, "aud": self.issuer, "client_id": family.application,
            "sub": self.licenses.person(family.account, family.application), "sid": family.id,
            "application": family.application, "licenses": ids,
            "cnf": {"jkt": family.computer}, "iat": now // SECOND, "jti": new_id("tok"),
            "exp": (now + rules.ACCESS_LIFE) // SECOND,
        }  # fmt: skip
        return self.ring.sign(claims, ACCESS)

    def read_access(self, token: str) -> dict[str, Any]:
        """The claims of our own token; TokenInvalid, or TokenExpired from its last second on."""
        try:
            claims = self.ring.verify(token, ACCESS)
        except signing.BadSignature:
            raise rules.TokenInvalid from None
        if claims.get("iss") != self.issuer:
            raise rules.TokenInvalid
        if self.clock() >= claims["exp"] * SECOND:
            raise rules.TokenExpired
        return claims

    def account_of(self, claims: dict[str, Any]) -> str:
        """The account behind a token; TokenInvalid once the sign-in, or all of them, have ended."""
        family = self.store.family(claims["sid"])
        if family is None or family.state != rules.LIVE or not self._stands(family):
            raise rules.TokenInvalid
        return family.account

    # what the person says

    def waiting(self, account: str, text: str) -> Device:
        """The computer that shows this code; NoSuchCode, or TooManyCodes for an account."""
        now = self.clock()
        window, passed = divmod(now, rules.ATTEMPT_WINDOW)
        left = rules.ATTEMPT_WINDOW - passed
        if not self.store.take_attempt(account, window, rules.ATTEMPTS, now + left):
            raise rules.TooManyCodes(-(-left // SECOND))
        code = rules.typed_code(text)
        device = self.store.device_of_code(self._code_hash(code)) if code else None
        if device is None or not device.open(now):
            raise rules.NoSuchCode
        return device

    def decide(self, account_id: str, text: str, *, approve: bool) -> Device:
        """The person's word, given once; NoSuchCode where it was given or came too late."""
        device = self.waiting(account_id, text)
        account = self.accounts.account(account_id)
        if account is None or not account.active:
            raise NotFound
        state = rules.APPROVED if approve else rules.DENIED
        try:
            self.store.decide(device, state, account_id, account.epoch, self.clock())
        except ConditionFailed:
            raise rules.NoSuchCode from None
        return device

    # hashes

    def _code_hash(self, code: str) -> str:
        return self.keyed().of("user-code", code)

    def _refresh_hash(self, token: str) -> str:
        return self.keyed().of("refresh-token", token)
