"""The units of each operation in the cost table, measured on the running cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.cloud.people import new_customer
from tests.cloud.program import Computer

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.front.run import LocalCloud

WALK = 0.5
READS = frozenset({"GetItem", "Query", "BatchGetItem", "TransactGetItems", "Scan"})


def units(cloud: LocalCloud, act: Callable[[], Any], function: str) -> tuple[float, float, Any]:
    """Read units, write units, and what was answered."""
    since = cloud.control.calls()[-1]["seq"]
    answer = act()
    rows = [row for row in cloud.control.calls(since, function) if row["service"] == "dynamodb"]
    read = sum(row["units"] for row in rows if row["action"] in READS)
    write = sum(row["units"] for row in rows if row["action"] not in READS)
    return read, write, answer


def sweep(cloud: LocalCloud) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Seven quiet hours pass, the sweep runs; its calls, and what it says of itself."""
    cloud.control.advance(7 * 3600)
    since = cloud.control.calls()[-1]["seq"]
    done = cloud.control.run("license_sweep")
    rows = cloud.control.calls(since, "license_sweep")
    return [row for row in rows if row["service"] == "dynamodb"], done


def written(rows: list[dict[str, Any]]) -> float:
    return float(sum(row["units"] for row in rows if row["action"] not in READS))


def of_sweep(cloud: LocalCloud) -> dict[str, float]:
    """Of the walk over the shards, and of one license where nothing has happened for long."""
    sweep(cloud)
    rows, done = sweep(cloud)
    # Half a unit is what an index answers with; a license's own rows are read strongly.
    walk = sum(row["units"] for row in rows if row["units"] == WALK)
    read = sum(row["units"] for row in rows if row["action"] in READS) - walk
    licenses = done["licenses"]
    return {
        "walk_read": walk,
        "sweep_read": round(read / licenses, 1),
        "mark_write": round(written(rows) / licenses, 1),
    }


def measure(cloud: LocalCloud, application: str) -> dict[str, float]:
    """What `infra/costs.json` holds, from one customer's hour."""
    customer = new_customer(cloud, "cost-table")
    customer.buy()
    cloud.control.settle()
    computer = Computer(cloud, application)
    computer.sign_in(customer)
    computer.end(computer.launch("cost-table-first")["lease"])
    found = of_sweep(cloud)
    quiet = written(sweep(cloud)[0])
    found["token_read"], found["token_write"], _ = units(cloud, computer.refresh, "api_handler")
    # The first launch of a minute also reads the texts of its screen; it has no length here.
    computer.end(computer.launch("cost-table-texts")["lease"])
    found["launch_read"], found["launch_write"], launched = units(
        cloud, lambda: computer.launch("cost-table"), "api_handler"
    )
    shown = computer.shown(launched["lease"], launched["screen"])
    _, found["beat_write"], first = units(
        cloud, lambda: computer.beat(launched["lease"], 1, shown), "api_handler"
    )
    cloud.control.advance(100)  # an interval of no length is no usage
    _, found["end_write"], _ = units(cloud, lambda: computer.end(first["lease"]), "api_handler")
    found["counted_write"] = written(sweep(cloud)[0]) - quiet
    found["page_read"], _, _ = units(cloud, lambda: customer.open("/account"), "api_handler")
    return found
