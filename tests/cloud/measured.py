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


def run(cloud: LocalCloud, job: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """A job runs once; its calls, and what it says of itself."""
    since = cloud.control.calls()[-1]["seq"]
    done = cloud.control.run(job)
    rows = cloud.control.calls(since, job)
    return [row for row in rows if row["service"] == "dynamodb"], done


def sweep(cloud: LocalCloud) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Seven quiet hours pass, and the sweep runs."""
    cloud.control.advance(7 * 3600)
    return run(cloud, "license_sweep")


def read(rows: list[dict[str, Any]]) -> float:
    """What is read of licenses and accounts; half a unit is what an index answers with."""
    asked = [row for row in rows if row["action"] in READS and row["units"] != WALK]
    return float(sum(row["units"] for row in asked))


def written(rows: list[dict[str, Any]]) -> float:
    return float(sum(row["units"] for row in rows if row["action"] not in READS))


def of_sweep(cloud: LocalCloud) -> dict[str, float]:
    """Of the walk over the shards, and of one license where nothing has happened for long."""
    sweep(cloud)
    rows, done = sweep(cloud)
    walk = sum(row["units"] for row in rows if row["units"] == WALK)
    licenses = done["licenses"]
    return {
        "walk_read": walk,
        "sweep_read": round(read(rows) / licenses, 1),
        "mark_write": round(written(rows) / licenses, 1),
    }


def of_hours(cloud: LocalCloud) -> dict[str, float]:
    """What the log and the planner read of each license each hour, and of an account each day."""
    _, swept = sweep(cloud)
    run(cloud, "event_log")
    run(cloud, "mail_planner")
    logged, _ = run(cloud, "event_log")
    waking, _ = run(cloud, "mail_planner")
    cloud.control.advance(24 * 3600)
    looking, done = run(cloud, "mail_planner")
    sweep(cloud)
    writing, _ = run(cloud, "event_log")
    licenses, looks = swept["licenses"], done["looks"]
    return {
        "log_read": round(read(logged) / licenses, 1),
        "log_write": round(written(writing) / licenses, 1),
        "waking_read": round(read(waking) / licenses, 1),
        "look_read": round((read(looking) - read(waking)) / looks, 1),
        "look_write": round((written(looking) - written(waking)) / looks, 1),
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
    found |= of_hours(cloud)
    found["page_read"], _, _ = units(cloud, lambda: customer.open("/account"), "api_handler")
    return found
