"""G9 on everything that the running cloud keeps: each attack fails, and succeeds on leaky twins.

By values that both sides share or that an id is made of, under the stage's own key too. Attacks by
time, by counts and by leaky roll-ups are in tests/visits/test_linkage.py, where the traffic is
known; what the template must not keep, in tests/infra.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest

from tests.cloud.people import new_customer
from tests.visits.linkage import Known, Left, attacks
from tests.visits.logs import CHROME

if TYPE_CHECKING:
    from infra.local.front.run import LocalCloud

pytestmark = [pytest.mark.guarantee("G9"), pytest.mark.promise("PS-31")]
NETWORK = [str(address) for address in ipaddress.ip_network("198.19.0.0/16")]
OF_VISITS = ("VISITS#", "EXITS#")
SALT = "2026-11-28"


@dataclass(frozen=True)
class Town:
    left: Left
    known: tuple[Known, ...]
    accounts: tuple[str, ...]
    keys: tuple[str, ...]


@pytest.fixture(scope="module")
def town(cloud: LocalCloud) -> Town:
    """People who look around, register and order, each from an address and by a browser known."""
    known, accounts = [], []
    for number in range(4):
        person = Known(f"198.19.{number}.{40 + number}", f"{CHROME} Zq7linkcanary/{number}v")
        headers = {
            "X-Forwarded-For": person.address, "User-Agent": person.agent, "Accept": "text/html",
        }  # fmt: skip
        for path in ("/", "/apps", "/apps/halyard", "/register", "/privacy"):
            httpx.get(cloud.app + path, headers=headers)
        customer = new_customer(cloud, f"linked-{number}")
        customer.browser.http.headers["x-forwarded-for"] = person.address
        customer.browser.http.headers["user-agent"] = person.agent
        customer.open("/account")
        customer.open("/account/setup")
        known.append(person)
        accounts.append(customer.email)
    cloud.control.settle()
    cloud.control.run("visit_rollup")
    return Town(kept(cloud), tuple(known), tuple(accounts), (SALT, hash_key(cloud)))


def hash_key(cloud: LocalCloud) -> str:
    """The key of the service's keyed hash, which an operator could read."""
    ssm = boto3.client(
        "ssm", endpoint_url=cloud.operator["AWS_ENDPOINT_URL"],
        region_name=cloud.operator["AWS_REGION"],
        aws_access_key_id=cloud.operator["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud.operator["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    found = ssm.get_parameter(Name="/cetrus/local/hash-key", WithDecryption=True)
    return str(found["Parameter"]["Value"])


def kept(cloud: LocalCloud) -> Left:
    dump = cloud.control.dump()
    assert dump["buckets"]["VisitorLogsBucket"]["keys"] == []
    rows = [row for table in dump["tables"].values() for row in items_of(table)]
    visits = [row for row in rows if partition(row).startswith(OF_VISITS)]
    assert visits
    others = [row for row in rows if not partition(row).startswith(OF_VISITS)]
    logged = json.dumps([cloud.control.logs(), cloud.control.queues(), cloud.control.requests()])
    return Left(json.dumps(visits), json.dumps(others), logged)


def items_of(table: Any) -> list[dict[str, Any]]:
    return list(table["items"] if isinstance(table, dict) else table)


def partition(row: dict[str, Any]) -> str:
    value = row["pk"]
    return str(value.get("S") if isinstance(value, dict) else value)


def attacked(town: Town, left: Left) -> set[str]:
    return attacks(left, town.known, NETWORK, town.keys)


def test_nothing_that_is_left_ties_a_visit_to_an_account(town: Town) -> None:
    assert attacked(town, town.left) == set()


def test_a_twin_with_the_address_in_a_license_row_falls(town: Town) -> None:
    row = json.dumps({"pk": "LICENSE#lic_twin", "address": town.known[0].address})
    twin = replace(town.left, identity=f"{town.left.identity} {row}")
    assert attacked(town, twin) == {"A7 an address or a browser stands in clear"}


def test_a_twin_with_a_request_id_on_both_sides_falls(town: Town) -> None:
    request = "Root=1-67891233-abcdef012345678912345678"
    twin = replace(
        town.left, visits=f"{town.left.visits} {request}",
        identity=f"{town.left.identity} {request}",
    )  # fmt: skip
    assert attacked(town, twin) == {"A1 both sides share a value"}


def test_a_twin_with_a_row_a_hit_under_a_salted_id_falls(town: Town) -> None:
    person = town.known[1]
    raw = (person.address + person.agent).encode()
    row = {
        "pk": f"HIT#{hmac.new(SALT.encode(), raw, 'sha256').hexdigest()}", "at": 1_795_608_000_123,
    }  # fmt: skip
    twin = replace(town.left, visits=f"{town.left.visits} {json.dumps(row)}")
    assert attacked(town, twin) == {"A2 an address was rebuilt", "A6 a visit has an instant"}


def test_a_twin_with_an_address_under_the_stage_s_key_falls(town: Town) -> None:
    raw, key = town.known[3].address.encode(), town.keys[1].encode()
    row = hmac.new(key, raw, "sha256").hexdigest()
    twin = replace(town.left, identity=f"{town.left.identity} {row}")
    assert attacked(town, twin) == {"A2 an address was rebuilt"}


def test_a_twin_with_a_hashed_address_in_a_ledger_row_falls(town: Town) -> None:
    row = hashlib.sha256(town.known[2].address.encode()).hexdigest()
    twin = replace(town.left, identity=f"{town.left.identity} {row}")
    assert attacked(town, twin) == {"A2 an address was rebuilt"}


def test_a_twin_that_keeps_what_each_file_added_falls(town: Town) -> None:
    row = json.dumps({"pk": "VISITS#DELTA#2026-11-28T10:15:00", "n:Chrome": 1})
    twin = replace(town.left, visits=f"{town.left.visits} {row}")
    assert attacked(town, twin) == {"A6 a visit has an instant"}
