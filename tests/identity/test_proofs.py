"""Proofs of possession: fresh, or refused; never a fault of ours, whatever they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.identity.conftest import Desk

PATH = "/v1/usage"


@pytest.mark.parametrize(
    "iat",
    [float("nan"), float("inf"), -1, 0, pytest.param(10**400, id="huge"), 1e308, "now", None, True],
)
def test_an_age_that_cannot_be_told_is_not_fresh(desk: Desk, iat: Any) -> None:
    program = desk.program()
    proof = program.computer.prove("GET", PATH, program.token, iat=iat)
    headers = {"authorization": f"DPoP {program.token}", "dpop": proof}
    answer = program.send("GET", PATH, b"", headers)
    assert (answer.status, answer["code"]) == (401, "proof_invalid")
