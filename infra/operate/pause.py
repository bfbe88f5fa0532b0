"""Stops every function of a deployment, and lets it go again: for a restore.

    python -m infra.operate.pause --stage prod --params prod.json
    python -m infra.operate.pause --stage prod --params prod.json --resume

A function that may run zero times at once answers nothing: pages and calls get 5xx. Lambda would go
on receiving messages for it, and after five times in vain a message is a dead letter; so what joins
queues and functions is switched off first and on last. Applications go on meanwhile, for the outage
grace that their leases were signed with. Run again, it changes nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra import throttling
from infra.alarms import FUNCTION_OF
from infra.operate.deployment import BadParameters, read_deployment

if TYPE_CHECKING:
    from infra.operate.place import Place

FUNCTION, MAPPING = "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"


def functions(place: Place) -> dict[str, str]:
    """The functions of the stack: their names in Lambda, by their names in the template."""
    return resources(place, FUNCTION)


def mappings(place: Place) -> dict[str, str]:
    """What hands queues' messages to functions: ids in Lambda, by names in the template."""
    return resources(place, MAPPING)


def resources(place: Place, kind: str) -> dict[str, str]:
    pages = place.client("cloudformation").get_paginator("list_stack_resources")
    rows: list[dict[str, Any]] = [
        row
        for page in pages.paginate(StackName=place.deployment.stack)
        for row in page["StackResourceSummaries"]
    ]
    return {
        row["LogicalResourceId"]: row["PhysicalResourceId"]
        for row in rows
        if row["ResourceType"] == kind
    }


def hand_out(place: Place, *, enabled: bool) -> None:
    """Whether queues' messages are received for the functions from here on."""
    lambdas = place.client("lambda")
    on, off = ("Enabled", "Enabling"), ("Disabled", "Disabling")
    for physical in mappings(place).values():
        # One that is on its way there already refuses to be told so once more.
        state = lambdas.get_event_source_mapping(UUID=physical)["State"]
        if state not in (on if enabled else off):
            lambdas.update_event_source_mapping(UUID=physical, Enabled=enabled)


def pause(place: Place) -> list[str]:
    """Let no function run and no message be received; returns the functions' names."""
    hand_out(place, enabled=False)
    found = functions(place)
    for physical in found.values():
        place.client("lambda").put_function_concurrency(
            FunctionName=physical, ReservedConcurrentExecutions=0
        )
    return sorted(found)


def resume(place: Place) -> dict[str, int | None]:
    """Give each function back what the template gives it; None is all that is left over."""
    found = functions(place)
    given = kept(found)
    for name, physical in found.items():
        count = given[name]
        if count is None:
            place.client("lambda").delete_function_concurrency(FunctionName=physical)
        else:
            place.client("lambda").put_function_concurrency(
                FunctionName=physical, ReservedConcurrentExecutions=count
            )
    hand_out(place, enabled=True)
    return given


def kept(names: dict[str, str]) -> dict[str, int | None]:
    """What each keeps, by its name in the template."""
    spelled = {FUNCTION_OF.get(name, name): name for name in FUNCTION_OF}
    table = throttling.reserved([spelled.get(name, name) for name in names])
    return {name: table.get(spelled.get(name, name)) for name in names}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.operate.pause",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage", required=True)
    parser.add_argument("--params", required=True, type=Path)
    parser.add_argument("--resume", action="store_true", help="let the functions go again")
    chosen = parser.parse_args(arguments)
    from infra.operate.place import Place

    try:
        place = Place(read_deployment(chosen.stage, chosen.params))
    except BadParameters as error:
        print(f"pause: {error}", file=sys.stderr)
        return 2
    if chosen.resume:
        for name, count in resume(place).items():
            print(f"{name}: {'what is left over' if count is None else count}")
    else:
        print(f"stopped: {', '.join(pause(place))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
