"""What an operator does to a running cloud for a test, through the commands of `infra.admin`.

python -m tests.cloud.stock other_vendor SLUG FOLDER
python -m tests.cloud.stock many_licenses ACCOUNT APPLICATION COUNT
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from chalicelib import wiring
from chalicelib.core.ids import derived_id
from infra import admin, publishing
from infra.local.clock import follow

Json = dict[str, Any]
PLANS = 40


def other_vendor(slug: str, folder: str) -> Json:
    key = Path(folder) / "vendor.jwk"
    made = admin.make_vendor_key(key)
    vendor = admin.add_vendor("Quay Instruments (test)", [made["public"]])
    application = admin.add_application(
        vendor_id=vendor["id"],
        slug=slug,
        name="Sextant",
        summary="Measures angles.",
        description="An application of another vendor.",
    )
    plans = [
        admin.add_plan(slug=slug, kind="metered", name=f"Plan {n}", price="1.20", currency="USD")
        for n in range(PLANS)
    ]
    installer = Path(folder) / "sextant-1.0.0.tar.gz"
    installer.write_bytes(b"not a program, and never run")
    release = publishing.publish_release(
        slug=slug,
        version="1.0.0",
        notes="",
        files={"linux": installer},
        vendor_key=json.loads(key.read_text()),
    )
    token = admin.add_vendor_token(vendor["id"], "test")
    return {
        "vendor": vendor,
        "application": application,
        "plans": [plan["id"] for plan in plans],
        "release": release,
        "token": token["token"],
    }


def many_licenses(account: str, application: str, count: str) -> Json:
    """Licenses by an audited ground, for whoever is asked for."""
    plan = next(p for p in wiring.catalog().plans(application) if p.kind == "metered")
    made = [derived_id("lic", account, application, str(n)) for n in range(int(count))]
    for license_id in made:
        writes = wiring.licenses().grant(license_id, account, plan, wiring.now(), "test")
        wiring.accounts_table().transact(*writes)
    return {"licenses": made}


def main() -> int:
    follow(os.environ["LOCAL_CLOCK"])
    job, *arguments = sys.argv[1:]
    made = other_vendor(*arguments) if job == "other_vendor" else many_licenses(*arguments)
    print(json.dumps(made))  # noqa: T201 - its answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
