"""The license calls through the front door, as programs speak them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core import signing
from tests.crash import recorded
from tests.program import BASE, Computer, Program, claims_of

if TYPE_CHECKING:
    from tests.conftest import FakeClock
    from tests.identity.conftest import Desk


@pytest.fixture
def program(desk: Desk) -> Program:
    desk.license()
    return desk.program()


class TestTheWholeRun:
    def test_check_launch_renew_and_end(self, program: Program, clock: FakeClock) -> None:
        checked = program.check()
        assert (checked.status, checked["valid"], checked["code"]) == (200, True, "VALID")
        assert checked["quote"]["rate"] == 37_000_000
        launched = program.launch()
        assert (launched.status, launched["code"]) == (200, "VALID")
        lease = launched["lease"]
        claims = published(lease, "lease+jwt")
        assert claims["iss"] == BASE
        assert claims["cnf"] == {"jwk": program.computer.jwk}
        assert (claims["seg"], claims["seq"]) == (0, 0)
        assert claims["end_ms"] - claims["start_ms"] == 300_000
        assert claims["outage"] == {"grace_s": 3600, "mode": "run", "bill": "free"}
        clock.advance(150_000)
        renewed = program.beat(lease, 1, shown=program.computer.shown(lease))
        assert renewed["valid"], renewed.body
        claims = published(renewed["lease"], "lease+jwt")
        assert (claims["seq"], claims["end_ms"]) == (1, clock() + 300_000)
        clock.advance(10_000)
        ended = program.end(renewed["lease"])
        assert ended["valid"]
        receipt = published(ended["receipt"], "receipt+jwt")
        assert receipt["billed_ms"] == 160_000
        assert receipt["end_ms"] - receipt["start_ms"] == 160_000

    @pytest.mark.promise("PS-64")
    def test_the_screen_is_what_the_lease_was_signed_for(self, program: Program) -> None:
        launched = program.launch()
        screen = launched["screen"]
        parts = {name: screen[name] for name in ("id", "title", "body")}
        digest = hashlib.sha256(signing.canonical(parts)).hexdigest()
        assert digest == screen["sha256"] == claims_of(launched["lease"])["screen"]
        assert screen["title"] == "Orchard"
        assert "0.37 USD an hour" in screen["body"]

    def test_the_same_launch_gets_the_very_same_lease(
        self, program: Program, clock: FakeClock
    ) -> None:
        first = program.launch()
        clock.advance(5_000)
        assert program.launch().body == first.body

    def test_a_renewal_again_gets_the_very_same_lease(
        self, program: Program, clock: FakeClock
    ) -> None:
        lease = program.launch()["lease"]
        shown = program.computer.shown(lease)
        first = program.beat(lease, 1, shown=shown)
        clock.advance(5_000)
        assert program.beat(lease, 1, shown=shown).body == first.body

    def test_the_next_segment_opens_after_sleep(self, program: Program, clock: FakeClock) -> None:
        lease = program.launch()["lease"]
        clock.advance(301_000)
        refused = program.beat(lease, 1, shown=program.computer.shown(lease))
        assert refused["code"] == "LEASE_EXPIRED"
        again = program.launch(segment=1)
        claims = claims_of(again["lease"])
        assert (claims["jti"], claims["seg"]) == (claims_of(lease)["jti"], 1)

    def test_an_application_may_be_named_by_its_short_name(self, program: Program) -> None:
        assert program.launch(application="orchard")["valid"]


@pytest.mark.promise("PS-65")
class TestRefusals:
    def test_of_a_launch_are_signed_and_name_the_question(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        wiring.licenses().suspend(wiring.licenses().of_account(desk.account)[0].license)
        refused = program.launch("launch-two")
        assert (refused.status, refused["valid"], refused["code"]) == (200, False, "SUSPENDED")
        said = published(refused["verdict"], "verdict+jwt")
        named = {"valid": False, "code": "SUSPENDED", "launch_id": "launch-two", "seg": 0,
                 "seq": 0, "iss": BASE, "iat_ms": clock()}  # fmt: skip
        assert named.items() <= said.items()

    def test_of_a_heartbeat_name_its_seq(self, program: Program) -> None:
        refused = program.beat(program.launch()["lease"], 7)
        assert refused["code"] == "SCREEN_REQUIRED"
        said = published(refused["verdict"], "verdict+jwt")
        assert (said["seq"], said["code"]) == (7, "SCREEN_REQUIRED")

    @pytest.mark.parametrize("changed", [{"sha256": "0" * 64}, {"lease": "lea_other"}])
    def test_a_receipt_of_another_screen_or_lease_is_no_receipt(
        self, program: Program, changed: dict[str, str]
    ) -> None:
        lease = program.launch()["lease"]
        refused = program.beat(lease, 1, shown=program.computer.shown(lease, **changed))
        assert refused["code"] == "SCREEN_REQUIRED"

    def test_a_receipt_by_another_computer_is_no_receipt(self, program: Program) -> None:
        lease = program.launch()["lease"]
        assert program.beat(lease, 1, shown=Computer().shown(lease))["code"] == "SCREEN_REQUIRED"

    def test_an_unknown_lease_id_is_a_verdict(self, program: Program) -> None:
        lease = program.launch()["lease"]
        for call, more in (("heartbeats", {"seq": 1}), ("end", {})):
            answer = program.post(f"/v1/leases/lea_unknown/{call}", {"lease": lease, **more})
            assert (answer.status, answer["valid"], answer["code"]) == (200, False, "UNKNOWN")
        assert program.beat(lease, 1, shown=program.computer.shown(lease))["valid"]

    def test_another_release_under_the_same_launch_is_a_conflict(self, program: Program) -> None:
        program.launch()
        answer = program.launch(release="1.0.0")
        assert (answer.status, answer["code"]) == (409, "other_launch")

    def test_an_unknown_application_or_license_is_unknown(self, program: Program) -> None:
        for changed in ({"application": "app_none"}, {"license_id": "lic_none"}):
            answer = program.launch("launch-new", **changed)
            assert (answer.status, answer["code"]) == (200, "UNKNOWN"), changed
            assert program.check(**changed)["code"] == "UNKNOWN"


class TestCredentials:
    def test_a_lease_that_is_not_ours_is_401(self, program: Program) -> None:
        lease = program.launch()["lease"]
        head, body, signature = lease.split(".")
        forged = signing.sign(claims_of(lease), key=Computer().key, typ="lease+jwt", kid="mine")
        for bad in (f"{head}.{body}.{signature[::-1]}", forged, "not.a.lease", "x"):
            answer = program.post(
                f"/v1/leases/{claims_of(lease)['jti']}/heartbeats", {"lease": bad, "seq": 1}
            )
            assert (answer.status, answer["code"]) == (401, "lease_invalid")

    def test_a_receipt_or_verdict_is_no_lease(self, program: Program) -> None:
        lease = program.launch()["lease"]
        receipt = program.end(lease)["receipt"]
        path = f"/v1/leases/{claims_of(lease)['jti']}/end"
        assert program.post(path, {"lease": receipt}).status == 401

    def test_a_proof_by_another_computer_is_401(self, program: Program) -> None:
        lease = program.launch()["lease"]
        thief = Program(program.application)
        assert thief.beat(lease, 1).status == 401
        assert thief.end(lease).status == 401
        assert program.end(lease)["valid"]

    def test_the_age_of_a_heartbeat_s_proof_is_not_judged(self, program: Program) -> None:
        lease = program.launch()["lease"]
        path = f"/v1/leases/{claims_of(lease)['jti']}/end"
        old = program.computer.prove("POST", path, iat=1)
        assert program.post(path, {"lease": lease}, dpop=old)["valid"]

    @pytest.mark.parametrize(
        "changed",
        [
            {"htm": "GET"}, {"htu": "https://elsewhere.test/v1/launches"}, {"iat": 1},
            {"ath": "x"}, {"jti": None},
        ],
    )  # fmt: skip
    def test_a_proof_for_something_else_is_401(
        self, program: Program, changed: dict[str, Any]
    ) -> None:
        assert program.token
        proof = program.computer.prove("POST", "/v1/launches", program.token, **changed)
        body = {"application": program.application, "launch_id": "launch-one",
                "computer": program.computer.jwk}  # fmt: skip
        answer = program.post("/v1/launches", body, dpop=proof)
        assert (answer.status, answer["code"]) == (401, "proof_invalid")

    def test_an_expired_token_says_so(self, program: Program, clock: FakeClock) -> None:
        clock.advance(600_000)
        answer = program.launch()
        assert (answer.status, answer["code"]) == (401, "token_expired")

    def test_no_or_a_foreign_credential_is_401(self, program: Program) -> None:
        for value in ("", "Bearer x", "DPoP x", "License x", "Basic eDp5"):
            answer = program.post("/v1/launches", {}, authorization=value)
            assert answer.status == 401, value

    def test_the_computer_must_be_the_proof_s(self, program: Program) -> None:
        answer = program.launch(computer=Computer().jwk)
        assert (answer.status, answer["code"]) == (401, "proof_invalid")

    def test_a_token_of_one_computer_is_no_use_on_another(self, program: Program) -> None:
        thief = Program(program.application, token=program.token)
        assert thief.launch().status == 401


class TestLicenseKey:
    def test_stands_in_for_the_person(self, desk: Desk) -> None:
        license_id = desk.license()
        key = wiring.licenses().new_key(desk.account, license_id)
        program = Program(desk.application.id, license_key=key)
        assert program.check()["valid"]
        assert claims_of(program.launch()["lease"])["license"] == license_id
        assert program.launch("launch-two", license_id="lic_other")["code"] == "UNKNOWN"

    def test_a_wrong_one_is_401_and_a_mistyped_one_needs_no_read(self, desk: Desk) -> None:
        key = wiring.licenses().new_key(desk.account, desk.license())
        newer = wiring.licenses().new_key(
            desk.account, wiring.licenses().of_account(desk.account)[0].license
        )
        assert Program(desk.application.id, license_key=newer).launch()["valid"]
        assert Program(desk.application.id, license_key=key).launch().status == 401
        with recorded() as calls:
            typo = newer[:-1] + ("a" if newer[-1] != "a" else "b")
            assert Program(desk.application.id, license_key=typo).launch().status == 401
        assert not calls.made

    def test_may_stand_in_the_body_of_a_check_alone(self, desk: Desk) -> None:
        key = wiring.licenses().new_key(desk.account, desk.license())
        anyone = Program(desk.application.id)
        assert anyone.check(license_key=key)["valid"]
        assert anyone.check(license_key=key[:-1] + "!")["code"] == "UNKNOWN"
        assert anyone.check().status == 422
        assert anyone.check(license_key=key, license_id="lic_x").status == 422
        assert anyone.launch().status == 401

    def test_the_same_launch_on_another_computer_is_a_conflict(self, desk: Desk) -> None:
        key = wiring.licenses().new_key(desk.account, desk.license())
        Program(desk.application.id, license_key=key).launch()
        answer = Program(desk.application.id, license_key=key).launch()
        assert (answer.status, answer["code"]) == (409, "other_launch")


class TestCost:
    def test_of_the_license_path_through_the_front_door(self, program: Program) -> None:
        """The texts of the screen were read by another launch of this minute."""
        program.launch("launch-before")
        seen = {}
        with recorded() as calls:
            program.check()
        seen["check"] = calls.made
        with recorded() as calls:
            lease = program.launch()["lease"]
        seen["launch"] = calls.made
        with recorded() as calls:
            lease = program.beat(lease, 1, shown=program.computer.shown(lease))["lease"]
        seen["beat"] = calls.made
        with recorded() as calls:
            program.end(lease)
        seen["end"] = calls.made
        assert seen == {
            "check": [("dynamodb", "Query")],
            "launch": [("dynamodb", "Query"), ("dynamodb", "TransactWriteItems")],
            "beat": [("dynamodb", "UpdateItem")],
            "end": [("dynamodb", "TransactWriteItems")],
        }


class TestForeign:
    @pytest.mark.guarantee("G7")
    def test_and_unknown_licenses_look_alike(self, other_desk: Desk, desk: Desk) -> None:
        desk.license()
        program = desk.program()
        program.launch()
        seen = []
        for license_id in (other_desk.license(), "lic_00000000000000000000000000"):
            for call in (program.launch, program.check):
                name = {"launch_id": "launch-seven"} if call == program.launch else {}
                with recorded() as calls:
                    answer = call(license_id=license_id, **name)
                body = {name: value for name, value in answer.body.items() if name != "verdict"}
                seen.append((answer.status, body, calls.made))
        assert seen[:2] == seen[2:]
        assert seen[0][:2] == (200, {**seen[0][1], "code": "UNKNOWN"})


def published(compact: str, typ: str) -> dict[str, Any]:
    """The claims, verified with what `/v1/keys` publishes."""
    keys = Program("").send("GET", "/v1/keys", b"", {})["keys"]
    kid = signing.split(compact)[0]["kid"]
    (jwk,) = (key for key in keys if key["kid"] == kid)
    return signing.verify(compact, jwk=jwk, typ=typ)
