"""What the tests need besides Python packages: a browser, and a second database engine.

    python -m infra.tools.needs

Brings what it can, and says of the rest how to get it. On a desk the tests that need it are then
skipped by name; in CI (`CI=true`) nothing may be missing, so this fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from infra.tools import dynamodb_local

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
APT = {"browser": ("chromium",), "dynamodb_local": ("default-jre-headless", "maven")}


def browser() -> str | None:
    """The path of a Chromium, or None."""
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def missing(need: str) -> str | None:
    """Why `browser` or `dynamodb_local` cannot be had as things are, or None."""
    if need == "browser":
        return None if browser() else "the browser tests need Chromium: apt-get install chromium"
    return dynamodb_local.missing()


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def bring(need: str) -> str | None:
    """Install it where we may (as root, by apt); returns what is still missing, or None."""
    if missing(need) and os.geteuid() == 0 and shutil.which("apt-get"):
        apt_install(APT[need])
    if reason := missing(need):
        return reason
    if need == "dynamodb_local":
        try:
            dynamodb_local.install()
        except dynamodb_local.NotToBeHadError as problem:
            return str(problem)
    return None


def apt_install(packages: tuple[str, ...]) -> None:
    """Ask apt; whether it worked is seen by looking again."""
    print(f"installing {' '.join(packages)} ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-qq"], install):
        subprocess.run(
            command,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


def main() -> int:
    reasons = [reason for reason in map(bring, APT) if reason]
    for reason in reasons:
        print(f"missing: {reason}", file=sys.stderr)
    return 1 if reasons and in_ci() else 0


if __name__ == "__main__":
    sys.exit(main())
