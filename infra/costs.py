"""What a month costs: measured units, stated assumptions and list prices, put together by formulas.

    python -m infra.costs            prints the tables of docs/costs.md
    python -m infra.costs --write    puts them into docs/costs.md

The formulas that are shown are those that are worked out. Units come from `infra/costs.json`, which
a test measures anew on the running local cloud; prices are documented and unverified.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import sys
from pathlib import Path
from typing import Any

from chalice.app import ScheduledEventConfig

FILE = Path(__file__).with_name("costs.json")
DOCUMENT = Path(__file__).parents[1] / "docs" / "costs.md"
BEGIN, END = "<!-- python -m infra.costs -->", "<!-- end -->"
LAUNCHES = (1_000, 100_000, 10_000_000)
MILLION = 1_000_000

UNITS = {"minute": 1, "hour": 60, "day": 1440}

Numbers = dict[str, float]
Made = dict[str, Any]

# List prices in USD for eu-west-1 (the edge: worldwide), as documented in 2026; unverified.
PRICES: Numbers = {
    "gateway": 3.50 / MILLION,  # REST API, a request, first 333 million
    "lambda_request": 0.20 / MILLION,
    "lambda_gb_second": 0.0000166667,
    "read_unit": 0.1415 / MILLION,  # DynamoDB on demand
    "write_unit": 0.7055 / MILLION,
    "table_gb": 0.283,  # a month
    "backup_gb": 0.2264,  # point-in-time recovery, a month
    "edge_request": 1.20 / MILLION,  # CloudFront, HTTPS, Europe
    "edge_gb": 0.085,
    "edge_function": 0.60 / MILLION,
    "acl_request": 0.60 / MILLION,
    "acl": 7.00,  # a web ACL with two rules, a month
    "mail": 0.10 / 1000,
    "log_gb": 0.57,
    "put_request": 0.005 / 1000,
    "alarm": 0.10,
    "dashboard": 3.00,
    "metric": 0.30,
    "key": 1.00,  # KMS, a month
    "key_request": 0.03 / 10_000,
    "signature": 0.15 / 10_000,  # by a P-256 key
}

# What nobody measured yet. Milliseconds are billed time on Lambda at the routes' memory.
ASSUMED: Numbers = {
    "session_hours": 1,  # of one launch
    "beat_seconds": 150,
    "launches_a_license": 50,  # a month
    "pages_a_license": 10,
    "mails_a_license": 6,
    "route_gb": 1769 / 1024,
    "job_gb": 0.5,
    "launch_ms": 30,
    "beat_ms": 12,
    "end_ms": 20,
    "token_ms": 25,
    "page_ms": 40,
    "license_sweep_ms": 15,  # of one license
    "marks_between": 72,  # sweeps in six hours, after which a mark is moved
    "sweep_seconds": 240,  # after which a run ends
    "log_seconds": 300,
    "look_ms": 10,  # of the log or the planner, at one license or account
    "job_run_ms": 400,  # of a scheduled job that finds little to do
    "call_bytes": 2_000,
    "page_bytes": 15_000,
    "line_bytes": 500,  # of logs, a request
    "row_bytes": 2_500,  # that stay, a launch
    "months_kept": 12,
    "metrics_of_ours": 110,  # those of troubles are paid for when there is trouble
}
MONTH: Numbers = {"minutes": 43_200}

# In this order; each may use what stands above it. An account is taken to have one license.
AMOUNTS = (
    ("licenses", "launches / launches_a_license"),
    ("beats", "launches * session_hours * 3600 / beat_seconds"),
    ("calls", "launches * 3 + beats"),  # token, launch, end
    ("pages", "licenses * pages_a_license"),
    ("requests", "calls + pages"),
    ("mails", "licenses * mails_a_license"),
    ("sweeps", "minutes / 5"),
    # A run that is out of time ends, and the next begins at another shard.
    ("swept", "sweeps * min(licenses, sweep_seconds * 1000 / license_sweep_ms)"),
    ("log_looks", "minutes / 60 * min(licenses, log_seconds * 1000 / look_ms)"),
    ("woken", "minutes / 1440 * planner_runs * min(licenses, walked)"),
    ("looks", "minutes / 1440 * min(licenses, planner_runs * looks_a_run)"),
    ("log_days", "minutes / 1440 * licenses"),
    ("job_runs", "minutes / 1440 * runs_a_day"),
    ("walks", "sweeps + minutes / 1440 * (24 + planner_runs)"),
    ("launch_reads", "launches * (launch_read + token_read)"),
    ("launch_writes", "launches * (launch_write + end_write + token_write + counted_write)"),
    ("job_reads", "walks * walk_read + swept * sweep_read + log_looks * log_read"),
    ("mail_reads", "woken * waking_read + looks * look_read"),
    ("mark_writes", "swept * mark_write / marks_between + log_days * log_write"),
    ("read_units", "launch_reads + pages * page_read + job_reads + mail_reads"),
    ("write_units", "launch_writes + beats * beat_write + mark_writes + looks * look_write"),
    ("launch_time", "launches * (launch_ms + end_ms + token_ms)"),
    ("route_seconds", "(launch_time + beats * beat_ms + pages * page_ms) / 1000"),
    ("look_seconds", "(log_looks + woken + looks) * look_ms / 1000"),
    ("job_seconds", "(job_runs * job_run_ms + swept * license_sweep_ms) / 1000 + look_seconds"),
    ("stored_gb", "launches * months_kept * row_bytes / 1e9"),
)

ROWS = (
    ("Gateway", "requests * gateway"),
    ("Routes: requests", "requests * lambda_request"),
    ("Routes: time", "route_seconds * route_gb * lambda_gb_second"),
    ("Jobs: requests", "(job_runs + mails) * lambda_request"),
    ("Jobs: time", "job_seconds * job_gb * lambda_gb_second"),
    ("Tables: reading", "read_units * read_unit"),
    ("Tables: writing", "write_units * write_unit"),
    ("Tables: keeping, after a year", "stored_gb * (table_gb + backup_gb)"),
    ("Edge: requests", "requests * edge_request + calls * edge_function"),
    ("Edge: bytes", "(calls * call_bytes + pages * page_bytes) / 1e9 * edge_gb"),
    ("Edge: limits", "acl + requests * acl_request"),
    ("Mail", "mails * mail"),
    ("Logs", "requests * line_bytes / 1e9 * log_gb"),
    ("Usage logs: objects", "log_days * put_request"),
    ("Watching", "alarms * alarm + dashboard + metrics_of_ours * metric"),
    ("Keys", "keys * key + mails * key_request + minutes / 60 * signature"),
)


def measured() -> Numbers:
    found: Numbers = json.loads(FILE.read_text())
    return found


@functools.cache
def counted() -> Numbers:
    """What the templates and the code have, as they stand."""
    from app import app
    from chalicelib.mail import planner
    from infra.operate.edge import read_edge
    from infra.package import ROOT, merge_template

    resources = [*merge_template("prod", ROOT)["Resources"].values()]
    resources += read_edge()["Resources"].values()
    jobs = {
        job.name: runs_a_day(str(job.schedule_expression.to_string()))
        for job in app.event_sources
        if isinstance(job, ScheduledEventConfig)
    }
    return {
        "runs_a_day": sum(jobs.values()),
        "planner_runs": jobs["mail_planner"],  # a day
        "walked": planner.WALKED,  # licenses that one run of it looks up
        "looks_a_run": planner.MOST_LOOKS,  # accounts that it looks at
        "alarms": sum(map(watched, of_type(resources, "AWS::CloudWatch::Alarm"))),
        "keys": len(of_type(resources, "AWS::KMS::Key")),
    }


def of_type(resources: list[Made], kind: str) -> list[Made]:
    return [made.get("Properties", {}) for made in resources if made.get("Type") == kind]


def watched(alarm: Made) -> int:
    """How many metrics it looks at: each is paid for."""
    return sum("MetricStat" in one for one in alarm.get("Metrics", [])) or 1


def runs_a_day(schedule: str) -> float:
    """Of `rate(5 minutes)`; what is given by a time of day runs once."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule)
    return 1440 / (int(found[1]) * UNITS[found[2]]) if found else 1


def worked_out(formula: str, known: Numbers) -> float:
    """A formula of ours with the numbers that it names; an unknown name is an error."""
    allowed = {"__builtins__": {}, "min": min}
    return float(eval(formula, allowed, known))  # noqa: S307  # only formulas of this file


def month(launches: int) -> tuple[Numbers, Numbers]:
    """The amounts of a month, and what each row costs in USD."""
    given: Numbers = {**PRICES, **ASSUMED, **counted(), **MONTH, **measured()}
    known: Numbers = {**given, "launches": launches}
    for name, formula in AMOUNTS:
        known[name] = worked_out(formula, known)
    return known, {name: worked_out(formula, known) for name, formula in ROWS}


def total(launches: int) -> float:
    return sum(month(launches)[1].values())


def tables() -> str:
    """All that docs/costs.md shows: the cost, the formulas, and what they start from."""
    months = [month(launches) for launches in LAUNCHES]
    heads = " | ".join(f"{launches:,}" for launches in LAUNCHES)
    lines = [f"| USD a month, at launches a month | {heads} |", "|---|" + "---:|" * len(months)]
    lines += [
        f"| {name} | " + " | ".join(f"{rows[name]:,.2f}" for _, rows in months) + " |"
        for name, _ in ROWS
    ]
    sums = [sum(rows.values()) for _, rows in months]
    lines.append("| **All** | " + " | ".join(f"**{value:,.2f}**" for value in sums) + " |")
    each = [value / launches for value, launches in zip(sums, LAUNCHES, strict=True)]
    lines.append("| a launch | " + " | ".join(f"{value:.6f}" for value in each) + " |")
    lines += ["", "| row | formula |", "|---|---|"]
    lines += [f"| {name} | `{formula}` |" for name, formula in ROWS]
    lines += ["", "| amount | formula | " + heads + " |", "|---|---|" + "---:|" * len(months)]
    lines += [
        f"| `{name}` | `{formula}` | "
        + " | ".join(f"{known[name]:,.0f}" for known, _ in months)
        + " |"
        for name, formula in AMOUNTS
    ]
    for title, numbers in (
        ("measured on the local cloud", measured()),
        ("counted in the templates and the code", counted()),
        ("assumed", {**ASSUMED, **MONTH}),
        ("price, USD", PRICES),
    ):
        lines += ["", f"| {title} | |", "|---|---:|"]
        lines += [f"| `{name}` | {plain(value)} |" for name, value in numbers.items()]
    return "\n".join(lines)


def plain(value: float) -> str:
    """A number as a person writes it: no exponent, no tail of noughts."""
    return f"{value:.12f}".rstrip("0").rstrip(".")


def with_tables(document: str) -> str:
    """The document with its tables made anew; ValueError where it has no place for them."""
    before, _, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{DOCUMENT.name} has no place between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.costs", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/costs.md")
    if parser.parse_args().write:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
    else:
        print(tables())
    return 0


if __name__ == "__main__":
    sys.exit(main())
