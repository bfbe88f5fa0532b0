"""Cloud calls and capacity units of each license call; whether they grow with what is stored."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from infra.bench.figures import Figure
from infra.bench.program import Program, over_http, program_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from infra.local.front.http import Request
    from infra.local.front.run import LocalCloud

FEW, MANY = 100, 100_000
BATCH = 25
OPERATIONS = ("check", "launch", "heartbeat", "end")
READS = frozenset({"GetItem", "Query", "BatchGetItem", "TransactGetItems", "Scan"})


@dataclass(frozen=True, slots=True)
class Cost:
    """Cloud calls of one request, their capacity units, and those of the writes among them."""

    calls: int
    units: float
    written: float


def figures(cloud: LocalCloud) -> Iterator[Figure]:
    fill(cloud, FEW)
    few = costs_of(cloud, program_on(cloud, "few"))
    for name in OPERATIONS:
        yield Figure(f"{name}_calls", few[name].calls, "cloud calls")
        yield Figure(f"{name}_units", few[name].units, "capacity units")
    yield Figure("heartbeat_write_units", few["heartbeat"].written, "write units, uncapped")
    fill(cloud, MANY - FEW)
    many = costs_of(cloud, program_on(cloud, "many"))
    grown = max(growth(few[name], many[name]) for name in OPERATIONS)
    yield Figure("calls_growth", grown, f"times, from {FEW} to {MANY:,} licenses")


def growth(few: Cost, many: Cost) -> float:
    return max(many.calls / few.calls, many.units / few.units)


def costs_of(cloud: LocalCloud, program: Program) -> dict[str, Cost]:
    """Calls and units of each operation, of a process and a computer that are known already."""
    with httpx.Client(timeout=60, trust_env=False) as http:
        first = over_http(cloud, http, program.launch())
        over_http(cloud, http, program.end(first["lease"]))
        over_http(cloud, http, program.check())
        found: dict[str, Cost] = {}
        found["check"], _ = cost_of(cloud, http, program.check())
        found["launch"], launched = cost_of(cloud, http, program.launch())
        _, renewed = cost_of(cloud, http, program.heartbeat(launched["lease"], 1))
        found["heartbeat"], again = cost_of(cloud, http, program.heartbeat(renewed["lease"], 2))
        found["end"], _ = cost_of(cloud, http, program.end(again["lease"]))
        return found


def cost_of(cloud: LocalCloud, http: httpx.Client, request: Request) -> tuple[Cost, dict[str, Any]]:
    before = cloud.control.calls(function="api_handler")
    answer = over_http(cloud, http, request)
    rows = cloud.control.calls(function="api_handler")[len(before) :]
    return cost(rows), answer


def cost(rows: Sequence[dict[str, Any]]) -> Cost:
    """What the calls come to, as the cloud recorded them."""
    written = sum(row["units"] for row in rows if row["action"] not in READS)
    return Cost(len(rows), sum(row["units"] for row in rows), written)


def fill(cloud: LocalCloud, count: int) -> None:
    """So many licenses of others, without the index by which sweeps walk."""
    import boto3

    given = cloud.operator
    client = boto3.client(
        "dynamodb",
        endpoint_url=given["AWS_ENDPOINT_URL"],
        region_name=given["AWS_REGION"],
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
    )
    for start in range(0, count, BATCH):
        heads = [{"PutRequest": {"Item": head()}} for _ in range(min(BATCH, count - start))]
        client.batch_write_item(RequestItems={given["USAGE_TABLE"]: heads})


def head() -> dict[str, Any]:
    license_id = f"lic_{secrets.token_hex(13)}"
    return {
        "pk": {"S": f"LICENSE#{license_id}"},
        "sk": {"S": "HEAD"},
        "type": {"S": "license"},
        "v": {"N": "1"},
        "license": {"S": license_id},
        "account": {"S": f"acc_{secrets.token_hex(13)}"},
        "application": {"S": f"app_{secrets.token_hex(13)}"},
        "standing": {"S": "active"},
    }
