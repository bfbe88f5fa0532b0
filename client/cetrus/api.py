"""The calls of the contract, each with its proof, its retry of an expired token and its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urljoin

from cetrus import leases
from cetrus.errors import Problem, SignInNeeded, Unreachable, Unverified
from cetrus.leases import Asked, Grant, Lease, Receipt, Verdict
from cetrus.wire import OK, expect_ok, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cetrus.clock import Clock
    from cetrus.computer import Computer
    from cetrus.credentials import Credential
    from cetrus.keys import KeyRing
    from cetrus.wire import Answer, Wire

UNAUTHORIZED = 401
REDIRECTS = {302, 303, 307}
SKEW_S = 30.0
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class OAuthError(Problem):
    """An error of the device flow; `code` as RFC 6749 and RFC 8628 name it."""


class Api:
    def __init__(self, wire: Wire, computer: Computer, clock: Clock) -> None:
        self._wire, self.computer, self._clock = wire, computer, clock
        self.issuer = wire.base_url
        # Learned from a rejected proof: a computer's clock may be wrong, the service's is not.
        self._skew_s = 0.0

    # --- device flow ------------------------------------------------------------------------

    def device_code(self, application: str) -> dict[str, Any]:
        return self._form("/v1/device/code", {"client_id": application})

    def device_token(self, application: str, device_code: str) -> dict[str, Any]:
        form = {"grant_type": DEVICE_GRANT, "device_code": device_code, "client_id": application}
        return self._form("/v1/device/token", form)

    def refresh_token(self, application: str, token: str) -> dict[str, Any]:
        """New tokens; SignInNeeded where the service says that the sign-in has ended."""
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": application}
        try:
            return self._form("/v1/device/token", form)
        except OAuthError as error:
            if error.code != "invalid_grant":
                raise
            raise SignInNeeded(
                f"The sign-in to {application} on this computer has ended.",
                hint=f"Run `cetrus login {application}`.",
            ) from error

    def _form(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Sent once more, with the service's time, where the proof's own time is rejected."""
        answer = self._asked(path, form)
        if (answer.body or {}).get("error") == "invalid_dpop_proof":
            self._learn_time(answer)
            answer = self._asked(path, form)
        if answer.status != OK and isinstance((answer.body or {}).get("error"), str):
            body = answer.body or {}
            detail = plain(body.get("error_description") or "The sign-in did not succeed.")
            raise OAuthError(answer.status, plain(body["error"]), detail)
        return expect_ok(answer)

    def _asked(self, path: str, form: Mapping[str, str]) -> Answer:
        """Asked for once more where no answer came: the same proof gets the same tokens."""
        url = self.issuer + path
        headers = self._headers("POST", url)
        try:
            return self._wire.send("POST", url, headers=headers, form=form)
        except Unreachable:
            return self._wire.send("POST", url, headers=headers, form=form)

    # --- leases -----------------------------------------------------------------------------

    def keys(self) -> dict[str, Any]:
        return expect_ok(self._wire.send("GET", self.issuer + "/v1/keys"))

    def clock_behind(self) -> float | None:
        """Whole seconds that this computer's clock is behind the service's, as far as it says."""
        answer = self._wire.send("GET", self.issuer + "/v1/keys")
        expect_ok(answer)
        here = self._clock.wall_ms() / 1000
        return None if answer.date is None else float(round(answer.date - here))

    def launch(
        self, body: Mapping[str, Any], asked: Asked, credential: Credential, ring: KeyRing
    ) -> Grant:
        """The lease of this launch and segment; Refused by a signed verdict alone."""
        sent = {**body, "launch_id": asked.launch_id, "segment": asked.segment}
        sent["computer"] = self.computer.jwk
        answer = self.authorized("POST", "/v1/launches", credential, json_body=sent)
        return self._grant(answer, asked, ring)

    def heartbeat(self, lease: Lease, seq: int, shown: str | None, ring: KeyRing) -> Grant:
        """The renewed lease; Refused by a signed verdict alone."""
        sent: dict[str, Any] = {"lease": lease.token, "seq": seq}
        if shown is not None:
            sent["shown"] = shown
        path = f"/v1/leases/{lease.id}/heartbeats"
        answer = expect_ok(self._proved("POST", path, json_body=sent))
        return self._grant(answer, Asked(lease.launch_id, lease.segment, seq, lease.id), ring)

    def end(self, lease: Lease, ring: KeyRing) -> Receipt:
        """Ends the lease, or finds it ended: the receipt either way."""
        path = f"/v1/leases/{lease.id}/end"
        body = expect_ok(self._proved("POST", path, json_body={"lease": lease.token}))
        claims = ring.verify(body.get("receipt"), "receipt+jwt")
        return leases.read_receipt(body["receipt"], claims, issuer=self.issuer, lease=lease)

    def _grant(self, body: dict[str, Any], asked: Asked, ring: KeyRing) -> Grant:
        if body.get("valid") is not True:
            raise leases.refusal(
                ring.verify(body.get("verdict"), "verdict+jwt"), asked, self.issuer
            )
        lease = self.read_lease(body.get("lease"), ring)
        leases.require_same(lease, asked)
        screen = leases.read_screen(body)
        leases.require_screen(lease, screen)
        return Grant(lease, plain(body.get("code") or ""), leases.notices_of(body), screen)

    def read_lease(self, token: Any, ring: KeyRing) -> Lease:
        claims = ring.verify(token, "lease+jwt")
        return leases.read_lease(token, claims, issuer=self.issuer, computer=self.computer.id)

    def check(self, body: Mapping[str, Any], credential: Credential) -> Verdict:
        path = "/v1/licenses/check"
        return leases.read_verdict(self.authorized("POST", path, credential, json_body=body))

    # --- releases and usage -----------------------------------------------------------------

    def release(self, application: str, platform: str, credential: Credential) -> dict[str, Any]:
        path = f"/v1/applications/{quote(application, safe='')}/release"
        return self.authorized("GET", path, credential, query={"platform": platform})

    def download_link(self, url: str, credential: Credential) -> str:
        """The short presigned link behind the application's own path."""
        own = self.issuer + url if url.startswith("/v1/") else url
        if not own.startswith(self.issuer + "/"):
            raise Unverified("The download is said to be on another site.")
        path, _, query = own.removeprefix(self.issuer).partition("?")
        answer = self._authorized("GET", path, credential, query=query)
        if answer.status not in REDIRECTS or answer.location is None:
            expect_ok(answer)
            raise Unreachable("The service gave no download link.")
        return urljoin(own, answer.location)

    def usage(self, credential: Credential, cursor: str | None) -> dict[str, Any]:
        query = {"cursor": cursor} if cursor else {}
        return self.authorized("GET", "/v1/usage", credential, query=query)

    # --- proofs -----------------------------------------------------------------------------

    def authorized(
        self,
        method: str,
        path: str,
        credential: Credential,
        *,
        query: Mapping[str, str] | None = None,
        json_body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        text = urlencode(query or {})
        return expect_ok(
            self._authorized(method, path, credential, query=text, json_body=json_body)
        )

    def _authorized(
        self,
        method: str,
        path: str,
        credential: Credential,
        *,
        query: str = "",
        json_body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Sends it once more, with a new token and the service's time, if it is rejected."""
        value, token = credential.current()
        answer = self._proved(
            method, path, query=query, authorization=value, token=token, json_body=json_body
        )
        if answer.status != UNAUTHORIZED:
            return answer
        self._learn_time(answer)
        if token is not None:
            value, token = credential.current(not_this=token)
        return self._proved(
            method, path, query=query, authorization=value, token=token, json_body=json_body
        )

    def _proved(  # one request has this many parts
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        authorization: str | None = None,
        token: str | None = None,
        json_body: Mapping[str, Any] | None = None,
    ) -> Answer:
        url = self.issuer + path
        headers = self._headers(method, url, token=token)
        if authorization is not None:
            headers["Authorization"] = authorization
        full = f"{url}?{query}" if query else url
        return self._wire.send(method, full, headers=headers, json_body=json_body)

    def _headers(self, method: str, url: str, *, token: str | None = None) -> dict[str, str]:
        iat = int(self._clock.wall_ms() / 1000 + self._skew_s)
        return {"DPoP": self.computer.prove(method, url, iat=iat, token=token)}

    def _learn_time(self, answer: Answer) -> None:
        if answer.date is not None:
            skew = answer.date - self._clock.wall_ms() / 1000
            self._skew_s = skew if abs(skew) > SKEW_S else 0.0
