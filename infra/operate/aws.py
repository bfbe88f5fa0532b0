"""The AWS command line, called with whole argument vectors: no shell, no pager, JSON answers."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any


class CommandFailed(Exception):
    """`aws` ended with an error; the text is the command and the last thing that it said."""


class Aws:
    """`aws` in one region, with the caller's own credentials."""

    def __init__(self, region: str) -> None:
        self.region = region

    def run(self, *arguments: str) -> str:
        """Run one command and return what it printed; raises CommandFailed."""
        command = ["aws", *arguments, "--region", self.region, "--output", "json"]
        # Version 2 would open a pager, version 1 knows no option against it.
        environment = {**os.environ, "AWS_PAGER": ""}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise CommandFailed(f"aws {' '.join(arguments[:2])}: {said[-1] if said else 'failed'}")
        return done.stdout

    def ask(self, *arguments: str) -> Any:
        """Run one command and return its answer."""
        return json.loads(self.run(*arguments))
