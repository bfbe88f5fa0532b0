"""What a vendor and the operator do to releases for a test, through the commands of `infra.admin`.

python -m tests.cloud.shelf offer SLUG FOLDER
python -m tests.cloud.shelf release SLUG FOLDER VERSION
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra import admin, publishing
from infra.local.clock import follow
from infra.local.seed import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]


def offer(slug: str, folder: str) -> Json:
    """An application of a vendor of its own, Tally under another name, with its first release."""
    made = admin.make_vendor_key(Path(folder) / "vendor.jwk")
    vendor = admin.add_vendor("Lock Keepers (test)", [made["public"]])
    application = admin.add_application(
        vendor_id=vendor["id"], slug=slug, name="Ledger", summary="Finds repeats.", description="",
    )  # fmt: skip
    plan = admin.add_plan(slug=slug, kind="metered", name="Metered", currency="USD", price="1.20")
    (Path(folder) / "application").write_text(application["id"])
    token = admin.add_vendor_token(vendor["id"], "test")["token"]
    first = release(slug, folder, "1.0.0")
    return {"application": application, "plan": plan, "release": first, "token": token}


def release(slug: str, folder: str, version: str) -> Json:
    application = (Path(folder) / "application").read_text()
    command = [
        sys.executable, str(ROOT / "client" / "examples" / "build.py"), "--example", "tally",
        "--application", application, "--version", version, "--out", folder,
    ]  # fmt: skip
    built = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return publishing.publish_release(
        slug=slug,
        version=version,
        notes="",
        files={platform: Path(path) for platform, path in built.items()},
        vendor_key=json.loads((Path(folder) / "vendor.jwk").read_text()),
    )


def main() -> int:
    follow(os.environ["LOCAL_CLOCK"])
    job, *arguments = sys.argv[1:]
    jobs: dict[str, Callable[..., Json]] = {"offer": offer, "release": release}
    print(json.dumps(jobs[job](*arguments)))  # noqa: T201 - its answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
