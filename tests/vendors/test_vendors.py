"""Vendors' tokens: a checksum before any read, a keyed hash at rest, one vendor each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.core.errors import InvalidInput, NotFound
from chalicelib.vendors.rules import make_token, well_formed

if TYPE_CHECKING:
    from tests.conftest import Tables

JWK = {"crv": "Ed25519", "kty": "OKP", "x": "HdpJmT0kI---mUJ_5HSyn7l4YgIr3OK0wTXRKth1w8A"}


class TestTokens:
    @given(st.integers(0, 2**260 - 1))
    def test_a_token_is_well_formed(self, bits: int) -> None:
        assert well_formed(make_token(bits))

    @given(st.integers(0, 2**260 - 1), st.integers(4, 55))
    def test_one_wrong_character_is_seen_without_a_read(self, bits: int, place: int) -> None:
        token = make_token(bits)
        other = "0" if token[place] != "0" else "1"
        assert not well_formed(token[:place] + other + token[place + 1 :])

    def test_a_token_speaks_for_its_vendor(self, tables: Tables) -> None:
        vendor = wiring.vendors().add("Harbor", [JWK])
        token = wiring.vendors().new_token(vendor.id, "nightly")
        caller = wiring.vendors().caller(f"Bearer {token}")
        assert caller is not None
        assert (caller.kind, caller.id) == ("vendor", vendor.id)

    def test_a_token_is_nowhere_at_rest(self, tables: Tables) -> None:
        vendor = wiring.vendors().add("Harbor", [JWK])
        token = wiring.vendors().new_token(vendor.id, "nightly")
        assert token not in tables.dump()
        assert token[4:56] not in tables.dump()

    @pytest.mark.parametrize("header", ["", "Bearer", "Basic abc", "Bearer cvt_x", "Bearer " * 9])
    def test_anything_else_is_nobody(self, tables: Tables, header: str) -> None:
        assert wiring.vendors().caller(header) is None

    def test_a_made_up_token_with_a_right_checksum_is_nobody(self, tables: Tables) -> None:
        assert wiring.vendors().caller(f"Bearer {make_token(7)}") is None


class TestVendors:
    def test_a_private_key_is_refused(self, tables: Tables) -> None:
        with pytest.raises(InvalidInput) as refusal:
            wiring.vendors().add("Harbor", [{**JWK, "d": "secret"}])
        assert set(refusal.value.errors) == {"key"}
        assert tables.items("accounts") == []

    def test_an_unknown_vendor_is_not_found(self, tables: Tables) -> None:
        with pytest.raises(NotFound):
            wiring.vendors().vendor("vnd_nobody")
