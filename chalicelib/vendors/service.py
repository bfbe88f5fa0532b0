"""Vendors, and who a vendor program's token speaks for."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from chalicelib.core import signing
from chalicelib.core.caller import Caller
from chalicelib.core.errors import InvalidInput, NotFound
from chalicelib.core.ids import new_id
from chalicelib.vendors import rules
from chalicelib.vendors.rules import Vendor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.core.signing import Jwk
    from chalicelib.vendors.store import VendorStore


class Vendors:
    def __init__(self, store: VendorStore, keyed: KeyedHash, clock: Clock) -> None:
        self.store, self.keyed, self.clock = store, keyed, clock

    def add(self, name: str, keys: Sequence[Jwk]) -> Vendor:
        """A vendor with the public keys that its releases may be signed with."""
        try:
            public = tuple(signing.public_members(key) for key in keys)
        except signing.BadSignature:
            raise InvalidInput(errors={"key": "A public Ed25519 or P-256 JWK."}) from None
        vendor = Vendor(new_id("vnd"), name, public)
        self.store.add(vendor, self.clock())
        return vendor

    def vendor(self, vendor_id: str) -> Vendor:
        if (found := self.store.vendor(vendor_id)) is None:
            raise NotFound
        return found

    def new_token(self, vendor_id: str, label: str) -> str:
        """A token for the vendor's program: shown now and never again."""
        token = rules.make_token(secrets.randbits(260))
        self.store.add_token(self._hash(token), vendor_id, label, self.clock())
        return token

    def caller(self, authorization: str) -> Caller | None:
        """Whom `Authorization: Bearer …` speaks for; one read for whatever is well formed."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not rules.well_formed(token):
            return None
        vendor_id = self.store.vendor_of_token(self._hash(token))
        return Caller("vendor", vendor_id) if vendor_id else None

    def _hash(self, token: str) -> str:
        return self.keyed.of("vendor-token", token)
