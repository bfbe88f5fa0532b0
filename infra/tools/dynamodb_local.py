"""Amazon's DynamoDB Local: fetched once, verified, and started on a free port.

It is the second engine: what the tests claim about conditions, concurrency and capacity is proved
on it and not on a model of ours. It keeps nothing, and it dies with the process that started it.

    python -m infra.tools.dynamodb_local        # fetch it, where it is not there yet
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parent.parent / ".tools"
HOME = TOOLS / "dynamodb-local-3.1.0"
PROJECT = HERE / "dynamodb_local.xml"
CHECKSUMS = HERE / "dynamodb_local.sha256"
MAIN = "software.amazon.dynamodb.services.local.main.ServerRunner"
JVM = ("-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
PATIENCE_SECONDS = 60.0
ATTEMPTS = 3


class NotToBeHadError(Exception):
    """DynamoDB Local cannot run here; the text says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A DynamoDB Local of our own."""

    endpoint: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it; a second call does nothing."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def missing() -> str | None:
    """Why `start` would fail without installing anything on this machine, or None."""
    if shutil.which("java") is None:
        return "DynamoDB Local needs Java: apt-get install default-jre-headless"
    if not HOME.is_dir() and shutil.which("mvn") is None:
        return "DynamoDB Local is fetched by Maven: apt-get install maven"
    return None


def install() -> Path:
    """The folder with its libraries, fetched if need be; raises NotToBeHadError."""
    if reason := missing():
        raise NotToBeHadError(reason)
    if not HOME.is_dir():
        TOOLS.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=TOOLS, prefix="fetching-") as fetching:
            libraries = Path(fetching) / "libraries"
            fetch(libraries, Path(fetching) / "repository")
            verify(libraries)
            if not HOME.is_dir():
                libraries.rename(HOME)
    return HOME


def fetch(libraries: Path, repository: Path) -> None:
    """Let Maven copy the libraries; its own cache goes away with the fetching."""
    command = ["mvn", "--quiet", "--batch-mode", f"--file={PROJECT}"]
    command += [f"-Dmaven.repo.local={repository}", "-DincludeScope=runtime"]
    command += [f"-DoutputDirectory={libraries}", "dependency:copy-dependencies"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise NotToBeHadError(f"Maven could not fetch DynamoDB Local:\n{done.stdout.strip()}")


def verify(libraries: Path) -> None:
    """No file is other than when this version was chosen, none is missing, none is new."""
    lines = CHECKSUMS.read_text().splitlines()
    expected = {name: digest for digest, name in (line.split() for line in lines)}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in libraries.iterdir()
    }
    if wrong := sorted(name for name, _ in expected.items() ^ found.items()):
        raise NotToBeHadError(f"DynamoDB Local came with other files: {', '.join(wrong)}")


def start() -> Running:
    """Start one on a free port of 127.0.0.1; raises NotToBeHadError."""
    home = install()
    for _ in range(ATTEMPTS):
        port = free_port()
        running = Running(f"http://127.0.0.1:{port}", launch(home, port))
        if answers(running, port):
            atexit.register(running.stop)
            return running
        running.stop()
    raise NotToBeHadError(f"DynamoDB Local did not start: try `java -version` and look at {home}")


def launch(home: Path, port: int) -> subprocess.Popen[bytes]:
    command = ["java", *JVM, f"-Djava.library.path={home}", "-cp", f"{home}/*", MAIN]
    command += ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    if setpriv := shutil.which("setpriv"):
        command = [setpriv, "--pdeathsig", "TERM", *command]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        command, stdin=quiet, stdout=quiet, stderr=quiet, env=bare_environment()
    )


def bare_environment() -> dict[str, str]:
    """Nothing of the caller's cloud reaches it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(running: Running, port: int) -> bool:
    """Wait until it listens; False where it ended or took too long."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and running.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def main() -> int:
    try:
        home = install()
    except NotToBeHadError as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"DynamoDB Local is in {home}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
