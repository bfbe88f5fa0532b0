"""What counts as an event of the processor: signed, fresh, and an event at all."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.clock import HOUR, SECOND
from chalicelib.payments.rules import (
    TOLERANCE,
    BadEvent,
    WebhookSecret,
    next_retry,
    read_event,
    verify_event,
)

NOW = 1_795_608_000_000
OLD = WebhookSecret("old", "whsec_old", 0, NOW + HOUR)
NEW = WebhookSecret("new", "whsec_new", NOW - HOUR, NOW + 10 * HOUR)
RAW = b'{"id": "evt_1"}'


def signature(raw: bytes = RAW, *, at: int = NOW, secret: str = "whsec_new") -> str:
    stamp = at // SECOND
    mac = hmac.digest(secret.encode(), f"{stamp}.".encode() + raw, hashlib.sha256).hex()
    return f"t={stamp},v1={mac}"


class TestSignatures:
    @pytest.mark.parametrize(("secret", "name"), [("whsec_old", "old"), ("whsec_new", "new")])
    def test_any_live_secret_signs_while_one_replaces_the_other(
        self, secret: str, name: str
    ) -> None:
        assert verify_event(RAW, signature(secret=secret), [OLD, NEW], NOW) == name

    def test_several_signatures_in_one_header_need_one_that_fits(self) -> None:
        header = signature().replace("v1=", f"v1={'0' * 64},v1=")
        assert verify_event(RAW, header, [NEW], NOW) == "new"

    def test_a_secret_that_has_ended_signs_nothing(self) -> None:
        later = NOW + HOUR
        with pytest.raises(BadEvent):
            verify_event(RAW, signature(at=later, secret="whsec_old"), [OLD, NEW], later)

    @pytest.mark.parametrize("distance", [-TOLERANCE, TOLERANCE])
    def test_the_edge_of_the_tolerance_counts(self, distance: int) -> None:
        assert verify_event(RAW, signature(at=NOW + distance), [NEW], NOW) == "new"

    @pytest.mark.parametrize("distance", [-TOLERANCE - SECOND, TOLERANCE + SECOND, 365 * 24 * HOUR])
    @pytest.mark.promise("PS-48")
    def test_stale_and_future_signatures_are_refused(self, distance: int) -> None:
        with pytest.raises(BadEvent):
            verify_event(RAW, signature(at=NOW + distance), [NEW], NOW)

    @pytest.mark.promise("PS-48")
    def test_one_byte_of_the_body_matters(self) -> None:
        with pytest.raises(BadEvent):
            verify_event(RAW + b" ", signature(), [NEW], NOW)

    def test_an_empty_secret_verifies_nothing(self) -> None:
        empty = WebhookSecret("empty", "", 0, NOW * 2)
        with pytest.raises(BadEvent):
            verify_event(RAW, signature(secret=""), [empty], NOW)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "t=",
            "v1=00",
            "t=1",
            f"t={NOW // SECOND}",
            "t=x,v1=00",
            "t=-5,v1=00",
            "t=٣,v1=00",
            f"t={NOW // SECOND},t={NOW // SECOND},v1=00",
            f"t={NOW // SECOND},v0=00",
            "=" * 5000,
            f"t={NOW // SECOND},v1=\xff",
        ],
    )
    def test_a_header_that_is_none_is_refused(self, header: str) -> None:
        with pytest.raises(BadEvent):
            verify_event(RAW, header, [NEW], NOW)

    @given(st.text(max_size=300))
    def test_no_header_whatever_raises_anything_else(self, header: str) -> None:
        with pytest.raises(BadEvent):
            verify_event(RAW, header, [NEW], NOW)


def event(**changes: Any) -> bytes:
    subject = {"id": "cs_1", "client_reference_id": "ord_1"}
    body = {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": subject}}
    return json.dumps({**body, **changes}).encode()


class TestEvents:
    def test_an_event_says_where_to_look(self) -> None:
        found = read_event(event())
        assert (found.id, found.object_id, found.order_id) == ("evt_1", "cs_1", "ord_1")

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe",
            b"{}",
            b'"text"',
            b"[" * 100_000,
            event(id=7),
            event(id=""),
            event(type=None),
            event(data=[]),
            event(data={"object": 1}),
            event(id="e" * 256),
            event(data={"object": {"id": "cs_1", "client_reference_id": {}}}),
        ],
    )
    def test_signed_bytes_that_are_no_event_are_refused(self, raw: bytes) -> None:
        with pytest.raises(BadEvent):
            read_event(raw)


def test_retries_wait_longer_each_time_and_at_most_six_hours() -> None:
    waits = [next_retry(n) for n in range(60)]
    assert waits[0] == 10 * SECOND
    assert waits == sorted(waits)
    assert waits[-1] == 6 * HOUR
