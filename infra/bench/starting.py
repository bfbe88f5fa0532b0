"""Cold start and warm CPU under AWS's runtime client: ours, and the peer doing the same check."""

from __future__ import annotations

import random
import shutil
import statistics
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.bench.figures import Figure
from infra.bench.program import Program, as_event, require, verdict
from infra.bench.sandbox import Sandbox, started
from infra.dependencies import compile_tree, install, runtime
from infra.local.package import runtime_folder
from infra.package import CACHE, package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from infra.local.front.http import Request
    from infra.local.front.run import LocalCloud

PEER = Path(__file__).with_name("peer")
COLD_RUNS, WARM_CALLS = 9, 300
BY_PEER = "FastAPI + Mangum + Powertools + boto3"


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    task: Path
    handler: str


def packages(folder: Path) -> tuple[Package, Package, Package]:
    """Ours as deployed; the peer with compiled bytecode; the peer as commonly deployed."""
    ours = folder / "ours"
    with zipfile.ZipFile(package("local", folder / "out").zip) as archive:
        archive.extractall(ours)
    plain, compiled = folder / "peer", folder / "peer-compiled"
    kept = CACHE / f"peer-{runtime()}"
    if not kept.exists():
        install(PEER / "requirements.txt", kept)
    shutil.copytree(kept, plain)
    shutil.copy(PEER / "handler.py", plain)
    shutil.copytree(plain, compiled)
    compile_tree(compiled)
    return (
        Package("ours", ours, "app.app"),
        Package("peer_compiled", compiled, "handler.handler"),
        Package("peer_plain", plain, "handler.handler"),
    )


def environment(cloud: LocalCloud) -> dict[str, str]:
    """The function's own variables, and the operator's credentials."""
    return {**cloud.operator, "AWS_LAMBDA_FUNCTION_NAME": "cetrus-APIHandler"}


def cold(
    one: Package, runtime_client: Path, variables: Mapping[str, str], request: Request
) -> float:
    """Milliseconds from the request for a process to its first license verdict."""
    import time

    with started(one.task, runtime_client, one.handler, variables) as (sandbox, began):
        answer = sandbox.invoke(as_event(request))
        elapsed = time.perf_counter() - began
    verdict(answer)
    return elapsed * 1000


def figures(cloud: LocalCloud, program: Program, folder: Path) -> Iterator[Figure]:
    made = packages(folder)
    runtime_client, variables = runtime_folder(folder / "runtime"), environment(cloud)
    times: dict[str, list[float]] = {one.name: [] for one in made}
    for one in made:  # the first start of each pays for the disk
        cold(one, runtime_client, variables, program.check())
    for _ in range(COLD_RUNS):
        for one in random.sample(made, len(made)):
            times[one.name].append(cold(one, runtime_client, variables, program.check()))
    ours, compiled, plain = (statistics.median(times[one.name]) for one in made)
    yield Figure("cold_start_compiled", ours, "ms", f"{BY_PEER}, bytecode compiled", compiled)
    yield Figure("cold_start_as_deployed", ours, "ms", f"{BY_PEER}, as deployed", plain)
    yield from warm(made, runtime_client, variables, program)


def warm(
    made: tuple[Package, ...], runtime_client: Path, variables: Mapping[str, str], program: Program
) -> Iterator[Figure]:
    """CPU a call, by the kernel's account of the process: the runtime's own loop is in it."""
    ours, compiled = made[0], made[1]
    with Sandbox(ours.task, runtime_client, ours.handler, variables) as mine:
        with Sandbox(compiled.task, runtime_client, compiled.handler, variables) as other:
            checks = [cpu_of(each, program.check, WARM_CALLS) for each in (mine, other)]
        yield Figure("check_cpu", checks[0], "ms", BY_PEER, checks[1])
        yield Figure("launch_cpu", cpu_of(mine, program.launch, WARM_CALLS // 3), "ms")
        yield Figure("heartbeat_cpu", heartbeats(mine, program), "ms")


def cpu_of(sandbox: Sandbox, request: Callable[[], Request], calls: int) -> float:
    """Milliseconds of CPU a call, after some that are not counted."""
    events = [as_event(request()) for _ in range(calls + 10)]
    for event in events[:10]:
        verdict(sandbox.invoke(event))
    before = sandbox.cpu()
    for event in events[10:]:
        sandbox.invoke(event)
    return (sandbox.cpu() - before) * 1000 / calls


def heartbeats(sandbox: Sandbox, program: Program) -> float:
    lease = verdict(sandbox.invoke(as_event(program.launch())))["lease"]
    count = WARM_CALLS // 3
    events = [as_event(program.heartbeat(lease, seq)) for seq in range(1, count + 1)]
    before = sandbox.cpu()
    answers = [sandbox.invoke(event) for event in events]
    used = sandbox.cpu() - before
    require(all(verdict(answer) for answer in answers), "a heartbeat was refused")
    return used * 1000 / count
