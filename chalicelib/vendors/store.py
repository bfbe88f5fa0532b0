"""Vendors in `accounts`: VENDOR#<id>/VENDOR, and VENDORTOKEN#<keyed hash>/TOKEN."""

from __future__ import annotations

from chalicelib.storage.dynamo import ABSENT, PRESENT, Table
from chalicelib.vendors.rules import Vendor


class VendorStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    def add(self, vendor: Vendor, now: int) -> None:
        self.table.apply(
            self.table.put(
                {
                    "pk": f"VENDOR#{vendor.id}",
                    "sk": "VENDOR",
                    "type": "vendor",
                    "v": 1,
                    "id": vendor.id,
                    "name": vendor.name,
                    "keys": list(vendor.keys),
                    "created_at": now,
                },
                ABSENT,
            )
        )

    def vendor(self, vendor_id: str) -> Vendor | None:
        item = self.table.get(f"VENDOR#{vendor_id}", "VENDOR")
        return Vendor(item["id"], item["name"], tuple(item["keys"])) if item else None

    def add_token(self, token_hash: str, vendor_id: str, label: str, now: int) -> None:
        self.table.transact(
            self.table.check(f"VENDOR#{vendor_id}", "VENDOR", PRESENT),
            self.table.put(
                {
                    "pk": f"VENDORTOKEN#{token_hash}",
                    "sk": "TOKEN",
                    "type": "vendor_token",
                    "v": 1,
                    "vendor_id": vendor_id,
                    "label": label,
                    "created_at": now,
                },
                ABSENT,
            ),
        )

    def vendor_of_token(self, token_hash: str) -> str | None:
        item = self.table.get(f"VENDORTOKEN#{token_hash}", "TOKEN")
        return str(item["vendor_id"]) if item and "revoked_at" not in item else None
