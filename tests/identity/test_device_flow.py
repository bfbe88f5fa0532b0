"""Signing a computer in by RFC 8628, and the page where a person decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, MINUTE
from tests.program import BASE, Program, claims_of, p256

if TYPE_CHECKING:
    from tests.conftest import FakeClock
    from tests.identity.conftest import Desk
    from tests.program import Reply


OTHER_KINDS: dict[str, dict[str, Any]] = {
    "pass": {"price": "3.70", "prepaid_ms": 10 * HOUR},
    "trial": {"valid_ms": 14 * DAY},
    "subscription": {"price": "9.00", "period_months": 1},
}


@pytest.fixture
def program(desk: Desk) -> Program:
    return desk.program(signed_in=False)


def code_for(program: Program) -> Reply:
    reply = program.form("/v1/device/code", client_id=program.application)
    assert reply.status == 200, reply.body
    return reply


def error_of(reply: Reply) -> tuple[int, str]:
    return reply.status, reply["error"]


class TestCode:
    def test_is_for_ten_minutes_and_names_the_page(self, program: Program) -> None:
        code = code_for(program)
        assert code["verification_uri"] == f"{BASE}/device"
        assert (code["expires_in"], code["interval"]) == (600, 5)
        assert len(code["user_code"].replace("-", "")) == 8

    def test_an_unknown_application_is_an_invalid_client(self, desk: Desk) -> None:
        assert error_of(Program("app_none").form("/v1/device/code", client_id="app_none")) == (
            401, "invalid_client",
        )  # fmt: skip

    def test_a_missing_field_is_named(self, program: Program) -> None:
        reply = program.form("/v1/device/code", scope="x")
        assert error_of(reply) == (400, "invalid_request")
        assert "client_id" in reply["error_description"]

    def test_neither_code_is_stored(self, desk: Desk, program: Program) -> None:
        code = code_for(program)
        stored = desk.tables.dump()
        assert code["device_code"] not in stored
        assert code["user_code"].replace("-", "") not in stored


class TestPolling:
    def test_waits_slows_down_and_then_gets_tokens(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        code = code_for(program)
        assert error_of(program.exchange(code["device_code"])) == (400, "authorization_pending")
        assert error_of(program.exchange(code["device_code"])) == (400, "slow_down")
        clock.advance(5_000)
        assert error_of(program.exchange(code["device_code"])) == (400, "slow_down")
        clock.advance(15_000)
        assert error_of(program.exchange(code["device_code"])) == (400, "authorization_pending")
        approve(desk, code["user_code"])
        tokens = program.exchange(code["device_code"])
        assert (tokens.status, tokens["token_type"], tokens["expires_in"]) == (200, "DPoP", 600)

    def test_a_device_code_is_good_once(self, desk: Desk, program: Program) -> None:
        code = code_for(program)
        approve(desk, code["user_code"])
        assert program.exchange(code["device_code"]).status == 200
        assert error_of(program.exchange(code["device_code"])) == (400, "invalid_grant")

    def test_ends_when_the_person_declines(self, desk: Desk, program: Program) -> None:
        code = code_for(program)
        desk.browser.post("/device", {"user_code": code["user_code"], "decision": "deny"})
        assert error_of(program.exchange(code["device_code"])) == (400, "access_denied")

    def test_ends_when_the_code_expires(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        code = code_for(program)
        clock.advance(10 * MINUTE)
        assert error_of(program.exchange(code["device_code"])) == (400, "expired_token")
        answer = desk.browser.post("/device", {"user_code": code["user_code"]})
        assert answer.status == 404
        assert "older than ten minutes" in answer.words

    def test_needs_the_computer_that_asked(self, desk: Desk, program: Program) -> None:
        code = code_for(program)
        approve(desk, code["user_code"])
        thief = Program(program.application)
        assert error_of(thief.exchange(code["device_code"])) == (400, "invalid_grant")
        assert program.exchange(code["device_code"]).status == 200

    def test_needs_a_proof(self, program: Program) -> None:
        code = code_for(program)
        reply = program.form(
            "/v1/device/token", proof=False, client_id=program.application,
            grant_type="urn:ietf:params:oauth:grant-type:device_code",
            device_code=code["device_code"],
        )  # fmt: skip
        assert error_of(reply) == (400, "invalid_dpop_proof")

    def test_refuses_other_grants_and_unknown_codes(self, program: Program) -> None:
        reply = program.form("/v1/device/token", grant_type="password", client_id="x")
        assert error_of(reply) == (400, "unsupported_grant_type")
        assert error_of(program.exchange("nothing")) == (400, "invalid_grant")


class TestAccessToken:
    def test_carries_pseudonym_application_licenses_and_the_computer(
        self, desk: Desk, program: Program
    ) -> None:
        license_id = desk.license()
        claims = claims_of(program.sign_in(desk.browser)["access_token"])
        assert claims["application"] == claims["client_id"] == program.application
        assert claims["licenses"] == [license_id]
        assert claims["cnf"] == {"jkt": program.computer.id}
        assert claims["exp"] - claims["iat"] == 600
        assert desk.account not in str(claims)

    def test_names_what_is_paid_already_before_what_is_billed_by_its_time(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        metered, kinds = desk.license(), {}
        for kind, facts in OTHER_KINDS.items():
            clock.advance(MINUTE)
            plan = wiring.catalog().add_plan(
                desk.application, kind=kind, name=kind, currency="USD", **facts
            )
            kinds[kind] = replace(desk, plan=plan).license()
        clock.advance(MINUTE)
        newer = desk.license()
        claims = claims_of(program.sign_in(desk.browser)["access_token"])
        paid = [kinds[kind] for kind in ("subscription", "trial", "pass")]
        assert claims["licenses"] == [*paid, metered, newer]
        lease = claims_of(str(program.launch("launch-one")["lease"]))
        assert lease["license"] == kinds["subscription"]

    def test_the_account_behind_it_is_found_where_it_is_needed(
        self, desk: Desk, program: Program
    ) -> None:
        program.sign_in(desk.browser)
        reply = program.get("/v1/usage")
        assert (reply.status, reply.body) == (200, {"items": [], "next": None, "names": {}})


class TestLostAnswer:
    def test_the_exchange_sent_again_is_answered_again(self, desk: Desk, program: Program) -> None:
        code = code_for(program)
        desk.browser.post("/device", {"user_code": code["user_code"], "decision": "approve"})
        proof = program.computer.prove("POST", "/v1/device/token")
        lost = program.exchange(code["device_code"], proof)
        again = program.exchange(code["device_code"], proof)
        assert again["refresh_token"] == lost["refresh_token"]
        assert error_of(program.exchange(code["device_code"])) == (400, "invalid_grant")


class TestRefresh:
    def test_rotates_and_sees_new_licenses(self, desk: Desk, program: Program) -> None:
        tokens = program.sign_in(desk.browser)
        license_id = desk.license()
        fresh = program.refresh(tokens["refresh_token"])
        assert fresh.status == 200
        assert fresh["refresh_token"] != tokens["refresh_token"]
        assert claims_of(fresh["access_token"])["licenses"] == [license_id]

    def test_a_used_token_ends_the_whole_sign_in(self, desk: Desk, program: Program) -> None:
        first = program.sign_in(desk.browser)
        second = program.refresh(first["refresh_token"])
        program.token = second["access_token"]
        assert error_of(program.refresh(first["refresh_token"])) == (400, "invalid_grant")
        assert error_of(program.refresh(second["refresh_token"])) == (400, "invalid_grant")
        assert program.get("/v1/usage").status == 401

    def test_the_same_request_again_gets_the_same_tokens_for_its_answer_was_lost(
        self, desk: Desk, program: Program
    ) -> None:
        first = program.sign_in(desk.browser)
        proof = program.computer.prove("POST", "/v1/device/token")
        lost = program.refresh(first["refresh_token"], proof)
        again = program.refresh(first["refresh_token"], proof)
        assert again.status == 200
        assert again["refresh_token"] == lost["refresh_token"]
        assert program.refresh(again["refresh_token"]).status == 200

    def test_a_request_from_before_the_last_one_ends_the_sign_in(
        self, desk: Desk, program: Program
    ) -> None:
        first = program.sign_in(desk.browser)
        proof = program.computer.prove("POST", "/v1/device/token")
        second = program.refresh(first["refresh_token"], proof)
        third = program.refresh(second["refresh_token"])
        assert error_of(program.refresh(first["refresh_token"], proof)) == (400, "invalid_grant")
        assert error_of(program.refresh(third["refresh_token"])) == (400, "invalid_grant")

    def test_outlives_the_resume_grace_and_not_thirty_days(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        tokens = program.sign_in(desk.browser)
        clock.advance(30 * DAY - 1)
        fresh = program.refresh(tokens["refresh_token"])
        assert fresh.status == 200
        clock.advance(30 * DAY)
        assert error_of(program.refresh(fresh["refresh_token"])) == (400, "invalid_grant")

    def test_is_no_use_on_another_computer_or_for_another_application(
        self, desk: Desk, program: Program
    ) -> None:
        tokens = program.sign_in(desk.browser)
        thief = Program(program.application)
        assert error_of(thief.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
        assert program.refresh(tokens["refresh_token"]).status == 200

    def test_ends_with_signing_out_everywhere(self, desk: Desk, program: Program) -> None:
        tokens = program.sign_in(desk.browser)
        wiring.sessions().sign_out_everywhere(desk.account)
        assert error_of(program.refresh(tokens["refresh_token"])) == (400, "invalid_grant")

    def test_so_does_the_access_token_wherever_the_account_is_looked_up(
        self, desk: Desk, program: Program
    ) -> None:
        program.sign_in(desk.browser)
        assert program.get("/v1/usage").status == 200
        wiring.sessions().sign_out_everywhere(desk.account)
        answer = program.get("/v1/usage")
        assert (answer.status, answer["code"]) == (401, "token_invalid")

    def test_a_code_that_was_approved_before_is_no_use_after_it(
        self, desk: Desk, program: Program
    ) -> None:
        codes = program.form("/v1/device/code", client_id=program.application)
        desk.browser.post("/device", {"user_code": codes["user_code"], "decision": "approve"})
        wiring.sessions().sign_out_everywhere(desk.account)
        assert error_of(program.exchange(codes["device_code"])) == (400, "invalid_grant")

    def test_tokens_are_not_stored(self, desk: Desk, program: Program) -> None:
        tokens = program.sign_in(desk.browser)
        stored = desk.tables.dump()
        assert tokens["refresh_token"] not in stored
        assert tokens["access_token"] not in stored


class TestPage:
    @pytest.mark.parametrize("typed", ["{}", " {} ", "{lower}", "{spaced}"])
    def test_takes_the_code_as_people_type_it(
        self, desk: Desk, program: Program, typed: str
    ) -> None:
        code = code_for(program)["user_code"]
        text = typed.format(code, lower=code.lower().replace("-", ""), spaced=" ".join(code))
        answer = desk.browser.post("/device", {"user_code": text})
        assert answer.status == 200
        assert "Orchard" in answer.words
        assert program.computer.id[:4] in answer.words

    def test_says_what_came_of_it(self, desk: Desk, program: Program) -> None:
        code = code_for(program)["user_code"]
        answer = desk.browser.post("/device", {"user_code": code, "decision": "approve"})
        assert (answer.status, answer.location) == (303, "/device?done=approved")
        assert "Go back to the application" in desk.browser.get(answer.location).words

    def test_keeps_a_wrong_code_and_says_what_is_wrong(self, desk: Desk) -> None:
        answer = desk.browser.post("/device", {"user_code": "BCDF-GHJK"})
        assert answer.status == 404
        assert 'value="BCDF-GHJK"' in answer.text
        assert 'aria-invalid="true"' in answer.text

    def test_limits_wrong_codes_an_account_and_for_a_while(
        self, desk: Desk, clock: FakeClock
    ) -> None:
        statuses = [
            desk.browser.post("/device", {"user_code": "BCDF-GHJK"}).status for _ in range(22)
        ]
        assert statuses.count(404) == 20
        assert statuses[-1] == 429
        clock.advance(10 * MINUTE)
        assert desk.browser.post("/device", {"user_code": "BCDF-GHJK"}).status == 404

    def test_decides_once(self, desk: Desk, other_desk: Desk, program: Program) -> None:
        code = code_for(program)["user_code"]
        approve(desk, code)
        answer = other_desk.browser.post("/device", {"user_code": code, "decision": "deny"})
        assert answer.status == 404

    def test_wants_a_person(self, program: Program) -> None:
        from tests.browser import Browser

        assert Browser().get("/device").location.startswith("/login")


def test_a_p256_computer_signs_in_and_launches(desk: Desk) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    from chalicelib.core import signing

    key, jwk = p256()

    class Other:
        """A computer whose key is of the other kind."""

        id = signing.thumbprint(jwk)

        def __init__(self) -> None:
            self.jwk = jwk

        def prove(self, method: str, path: str, token: str | None = None) -> str:
            claims = {"htm": method, "htu": BASE + path, "iat": wiring.now() // 1000, "jti": "x"}
            if token:
                from chalicelib.identity.proofs import digest_of

                claims["ath"] = digest_of(token)
            return self.sign(claims, "dpop+jwt")

        def sign(self, claims: dict[str, object], typ: str) -> str:
            head = signing.b64(signing.canonical({"alg": "ES256", "typ": typ, "jwk": jwk}))
            text = f"{head}.{signing.b64(signing.canonical(claims))}"
            der = key.sign(text.encode(), ec.ECDSA(hashes.SHA256()))
            r, s = utils.decode_dss_signature(der)
            return f"{text}.{signing.b64(r.to_bytes(32) + s.to_bytes(32))}"

    desk.license()
    program = Program(desk.application.id, computer=Other())  # type: ignore[arg-type]  # another kind of key
    program.sign_in(desk.browser)
    lease = program.launch()["lease"]
    claims = claims_of(lease)
    shown = Other().sign({"lease": claims["jti"], "sha256": claims["screen"]}, "shown+jwt")
    assert program.beat(lease, 1, shown=shown)["valid"]


def approve(desk: Desk, user_code: str) -> None:
    answer = desk.browser.post("/device", {"user_code": user_code, "decision": "approve"})
    assert answer.status == 303, answer.words
