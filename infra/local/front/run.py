"""A fresh local cloud for tests and the demonstration: own process, own folder, free ports.

with LocalCloud() as cloud:
httpx.get(cloud.app)
cloud.control.advance(3600)
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from infra.local.front.client import Control
from infra.local.front.command import ROOT

if TYPE_CHECKING:
    from types import TracebackType

PATIENCE = 180.0
"""Seconds until a start counts as failed: a cold packaging is part of it."""


class DidNotStart(Exception):
    """The cloud ended, or did not serve in time; the text is what it said."""


class LocalCloud:
    """A running cloud; leaving the context ends every process and removes a folder it made."""

    def __init__(self, data: Path | None = None, out: Path | None = None, port: int = 0) -> None:
        self._own = Path(tempfile.mkdtemp(prefix="cetrus-")) if data is None else None
        self.data = data or (self._own or Path()) / "data"
        self._out, self._port = out, port
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._control: Control | None = None
        self._running: dict[str, Any] = {}

    @property
    def app(self) -> str:
        """Where people and programs go, such as http://localhost:43211."""
        return str(self._running["urls"]["app"])

    @property
    def s3(self) -> str:
        return str(self._running["urls"]["s3"])

    @property
    def processor(self) -> str:
        return str(self._running["urls"]["processor"])

    @property
    def clock_file(self) -> Path:
        """For `infra.local.clock.follow`."""
        return Path(self._running["clock"])

    @property
    def operator(self) -> dict[str, str]:
        """The environment in which `python -m infra.admin` works on this cloud."""
        return dict(self._running["operator"])

    @property
    def control(self) -> Control:
        if self._control is None:
            raise DidNotStart("the cloud is not running")
        return self._control

    def start(self) -> Self:
        """Start it and return once it serves; on a folder that was used before, with its data."""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop
        self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
        try:
            self._running = self._wait()
        except BaseException:
            self.stop()
            raise
        self._control = Control(self.app)
        return self

    def stop(self) -> None:
        """End it as Ctrl-C does; the data stays while the object lives."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._output is not None:
            self._output.close()
            self._output = None

    def kill(self) -> None:
        """End it as a power cut does: SIGKILL, nothing is tidied up."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def output(self) -> str:
        """Return what it printed so far."""
        if self._output is None:
            return ""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._remove()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._remove()

    def _remove(self) -> None:
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "infra.local", "run", "--attached"]
        command += ["--port", str(self._port), "--data", str(self.data)]
        return command + (["--out", str(self._out)] if self._out else [])

    def _wait(self) -> dict[str, Any]:
        process = self._process
        file = self.data / "running.json"
        end = time.monotonic() + PATIENCE
        while process is not None and process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(FileNotFoundError):
                found = json.loads(file.read_text())
                # A run that was killed leaves its file behind: it is not ours.
                if found.get("pid") == process.pid:
                    return dict(found)
            time.sleep(0.05)
        raise DidNotStart(self.output().strip() or "the cloud did not start in time")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        process.stdin.close()
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
