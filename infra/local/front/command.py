"""`python -m infra.local`: packages what changed, runs the whole service on this machine.

    python -m infra.local run [--port 8000] [--data .local] [--quiet]
    python -m infra.local env [--data .local]      what the operator's commands need, for a shell

Whatever is in the way is said in one line on stderr, and the exit code is 2. Ctrl-C and SIGTERM
stop it; the data stays.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from infra.local.front.folder import StartError

ROOT = Path(__file__).resolve().parents[3]
OLDEST, NEWEST = (3, 11), (3, 13)


def main(arguments: list[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    if chosen.command == "env":
        return _env(chosen.data)
    # Also where a shell started us in the background, with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _check_python()
        _run(chosen)
    except StartError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: start with `make run`.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra.local",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the whole service on this machine")
    run.add_argument("--port", type=int, default=8000, help="of the app; 0 is any free one")
    run.add_argument("--data", type=Path, default=Path(".local"), help="folder to keep data in")
    run.add_argument("--quiet", action="store_true", help="print the address alone")
    run.add_argument("--out", type=Path, default=ROOT / "out" / "local", help=argparse.SUPPRESS)
    # Ends when stdin does, so that a test that dies takes its cloud along.
    run.add_argument("--attached", action="store_true", help=argparse.SUPPRESS)
    env = commands.add_parser("env", help="print what the operator's commands need, as exports")
    env.add_argument("--data", type=Path, default=Path(".local"), help="folder of a running cloud")
    return parser


def _env(data: Path) -> int:
    """Print the environment of the operator's commands on the running cloud, for `eval`."""
    try:
        running = json.loads((data / "running.json").read_text())
    except FileNotFoundError:
        print(f"No cloud runs with its data in {data}: start one with `make run`.", file=sys.stderr)
        return 2
    # By the cloud's own clock: rows of the ledger that bear another time would look dated back.
    clock = {"LOCAL_CLOCK": str(Path(running["clock"]).resolve())}
    for name, value in {**running["operator"], **clock}.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _run(chosen: argparse.Namespace) -> None:
    from infra.local.front.host import Options, running_cloud

    # A test's cloud holds nothing that an earlier run of other tests left in the tree.
    options = Options(
        chosen.out, chosen.data, chosen.port, lambda: _package(chosen.out, chosen.quiet),
        results=not chosen.attached,
    )  # fmt: skip
    with running_cloud(options) as running:
        print(_greeting(running.urls, running.seed, chosen.data, chosen.quiet), flush=True)
        with contextlib.suppress(KeyboardInterrupt):  # it ends the run
            _wait(chosen.attached)
        # From here on nothing may interrupt the tidying up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _check_python() -> None:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = ".".join(str(part) for part in sys.version_info[:2])
        raise StartError(f"Cetrus runs on Python 3.11 to 3.13; this is {found}.")


def _package(out: Path, quiet: bool) -> None:
    from infra.dependencies import PackagingError
    from infra.package import package

    if not quiet:
        print("Packaging what changed ...", flush=True)
    try:
        package("local", out)
    except PackagingError as error:
        raise StartError(f"Packaging failed: {error}") from error


def _wait(attached: bool) -> None:
    """Wait to be interrupted or, if attached, for the end of stdin."""
    if attached:
        sys.stdin.read()
    else:
        threading.Event().wait()


def _greeting(urls: dict[str, str], seed: dict[str, Any], data: Path, quiet: bool) -> str:
    if quiet:
        return urls["app"]
    people = seed.get("sign_ins") or []
    width = max((len(str(person["role"])) for person in people), default=0)
    lines = [
        "",
        f"Cetrus runs at      {urls['app']}",
        f"Inbox and clock     {urls['app']}/_local/",
        f"Card processor      {urls['processor']}/_sim/",
        f"Files (S3)          {urls['s3']}",
        f"Data is kept in     {data.absolute()}",
        "",
        *(["Sign in as"] if people else []),
        *(f"  {p['role']:{width}}  {p['login']}  {p['password']}" for p in people),
        *([""] if people else []),
        "Ctrl-C stops it.",
    ]
    return "\n".join(lines)
