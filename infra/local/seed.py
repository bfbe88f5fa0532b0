"""What a fresh cloud holds: secrets, keys, a demonstration vendor with its offers, a customer.

It goes in through the operator's commands and the same services that people's requests use, in a
process of its own, so that the runner keeps its own environment. Everybody and everything seeded is
named as a demonstration.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY, HOUR, MINUTE
from infra.local.clock import follow
from infra.local.errors import CloudError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.cloud import Cloud

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
RESULTS = ROOT / ".tools" / "promises.json"
VENDOR = "Harbor Tools (demonstration)"
CUSTOMER = {
    "account_name": "Demonstration",
    "login": "demo",
    "email": "demo@example.com",
    "password": "a quiet harbor at night",
    "name": "Demonstration Customer",
    "company": "",
    "street": "1 Example Street",
    "city": "Exampleton",
    "postal_code": "10115",
    "country": "DE",
    "phone": "",
    "tax_id": "",
}


STAFF = (
    {
        "name": "operator",
        "password": "a lamp above the loading dock",
        "email": "operator@example.org",
    },
    {
        "name": "service",
        "password": "three crates of blue tiles",
        "email": "service@example.org",
    },
    {
        "name": "privacy",
        "password": "a shutter closed at noon",
        "email": "privacy@example.org",
    },
)
"""Each has the role that is their name; two of them make a mailing."""


class SeedingFailed(CloudError):
    """Seeding ended; the text is the last thing that it said."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One application as it is offered, and the example that its installers are built from."""

    slug: str
    name: str
    summary: str
    description: str
    interest: str
    plans: tuple[Json, ...]
    version: str


OFFERS = (
    Offer(
        slug="halyard",
        name="Halyard",
        summary="Draws tide and sail plans from plain tables.",
        description="A small example application: it reads a table, draws a chart in the terminal "
        "or as SVG, and runs on a license lease while it is open.",
        interest="drawing",
        plans=(
            {"kind": "metered", "name": "Metered", "price": "0.90", "free_ms": 0},
            {
                "kind": "pass",
                "name": "Twenty hours",
                "price": "15.00",
                "prepaid_ms": 20 * HOUR,
                "valid_ms": 365 * DAY,
            },
            {"kind": "subscription", "name": "Monthly", "price": "29.00", "period_months": 1},
            {"kind": "trial", "name": "Trial", "valid_ms": 14 * DAY},
        ),
        version="1.0.0",
    ),
    Offer(
        slug="tally",
        name="Tally",
        summary="Finds the rows of a table that mean the same thing.",
        description="A small example of a plain program that knows nothing of licenses: it "
        "compares the rows of a table, however they are spelled, lists the pairs that are alike, "
        "and can write the table without the repeats. The launcher runs it on a license lease.",
        interest="statistics",
        plans=(
            {"kind": "metered", "name": "By the hour", "price": "1.20", "free_ms": MINUTE},
            {"kind": "pass", "name": "Ten hours", "price": "9.00", "prepaid_ms": 10 * HOUR},
            {"kind": "subscription", "name": "Monthly seat", "price": "12.00", "period_months": 1},
            {"kind": "trial", "name": "Two weeks free", "valid_ms": 14 * DAY},
        ),
        version="1.0.0",
    ),
)


def seed(cloud: Cloud, config: Mapping[str, Any]) -> Json:
    """Seed the cloud once; `config` holds `urls`, the processor's `keys`, its `webhook_secret`."""
    found: Json = json.loads(operate(cloud, "infra.local.seed", json.dumps(config)))
    found["functions"] = list(cloud.functions)
    return found


def publish_results(cloud: Cloud) -> None:
    """What `make promises` found here is what this cloud shows at `/privacy/proof`."""
    if RESULTS.exists():
        operate(cloud, "infra.operate.proof", "")


def operate(cloud: Cloud, module: str, said: str) -> str:
    """Run a command of the operator's on the cloud; SeedingFailed with the last thing it said."""
    environment = {
        **os.environ,
        **cloud.function_environment("api_handler"),
        **cloud.operator_environment(),
        "LOCAL_CLOCK": str(cloud.clock_file),
    }
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=said,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise SeedingFailed(done.stderr.strip().splitlines()[-1])
    return done.stdout


def main() -> int:
    follow(os.environ["LOCAL_CLOCK"])
    print(json.dumps(build(json.load(sys.stdin))))
    return 0


def build(config: Mapping[str, Any]) -> Json:
    from infra import admin
    from infra.operate import contracts

    admin.put_secrets(
        config["keys"]["checkout"], config["keys"]["worker"], config["webhook_secret"]
    )
    admin.COMMANDS["signing-key"][0](admin.parser().parse_args(["signing-key"]))
    contracts.sign("processor", "demonstration", "2100-01-01")
    with tempfile.TemporaryDirectory() as folder:
        vendor, key = add_vendor(Path(folder))
        offered = [add_offer(vendor["id"], offer, key, Path(folder)) for offer in OFFERS]
    token = admin.add_vendor_token(vendor["id"], "demonstration")
    add_customer()
    for member in STAFF:
        admin.add_staff(member["name"], [member["name"]], member["password"], member["email"])
    return {
        "urls": dict(config["urls"]),
        "sign_ins": [
            {"role": "customer", "login": CUSTOMER["login"], "password": CUSTOMER["password"]},
            *(
                {"role": each["name"], "login": each["name"], "password": each["password"]}
                for each in STAFF
            ),
        ],
        "tokens": [{"role": "vendor", "vendor": vendor["id"], "token": token["token"]}],
        "vendors": [vendor],
        "applications": [application for application, _ in offered],
        "plans": [plan for _, plans in offered for plan in plans],
    }


def add_vendor(folder: Path) -> tuple[Json, Json]:
    """The vendor, and its private key, which only this run ever sees."""
    from infra import admin

    path = folder / "vendor.jwk"
    made = admin.make_vendor_key(path)
    return admin.add_vendor(VENDOR, [made["public"]]), json.loads(path.read_text())


def add_offer(vendor_id: str, offer: Offer, key: Json, folder: Path) -> tuple[Json, list[Json]]:
    """The application with its plans and its first release, whose installers are built here."""
    from infra import admin, publishing

    application = admin.add_application(
        vendor_id=vendor_id,
        slug=offer.slug,
        name=offer.name,
        summary=offer.summary,
        description=offer.description,
        interest=offer.interest,
    )
    plans = [admin.add_plan(slug=offer.slug, currency="USD", **plan) for plan in offer.plans]
    release = publishing.publish_release(
        slug=offer.slug,
        version=offer.version,
        notes="The first release.",
        files=build_installers(offer, application["id"], folder),
        vendor_key=key,
    )
    return {**application, "release": release}, plans


def build_installers(offer: Offer, application_id: str, folder: Path) -> dict[str, Path]:
    """Real installers of the example, by platform."""
    builder = ROOT / "client" / "examples" / "build.py"
    command = [
        sys.executable,
        str(builder),
        "--example",
        offer.slug,
        "--application",
        application_id,
        "--version",
        offer.version,
        "--out",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {platform: Path(path) for platform, path in json.loads(done.stdout).items()}


def add_customer() -> None:
    """A customer that has confirmed its address, by the token that its welcome mail carries."""
    from chalicelib import wiring
    from chalicelib.mail.links import link_token
    from chalicelib.privacy.choices import questions
    from chalicelib.privacy.rules import policy

    profile = {name: value for name, value in CUSTOMER.items() if name != "password" and value}
    asked = questions(policy(wiring.published().number()))
    message = wiring.registration().register(
        profile, CUSTOMER["password"], {question.purpose: False for question in asked}
    )
    if message is None:
        raise LookupError("the demonstration customer was registered before")
    token = link_token(wiring.link_key(), message)
    wiring.recovery().confirm(token, CUSTOMER["password"])


if __name__ == "__main__":
    sys.exit(main())
