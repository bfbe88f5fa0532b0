"""What a person or a program reads: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TextIO

BAR = 24
DEFAULT_HINT = "Run the command again with --debug to see where it failed."


class Output:
    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def say(self, text: str) -> None:
        """A sentence for a person; silent where a program listens."""
        if not self.as_json:
            print(text, flush=True)

    def say_error(self, text: str) -> None:
        """Speaks beside the result: what goes on, and the launch screen."""
        print(text, file=sys.stderr, flush=True)

    def result(self, value: dict[str, Any]) -> None:
        """One JSON object a line, for programs alone."""
        if self.as_json:
            print(json.dumps(value, ensure_ascii=False), flush=True)

    def fail(
        self, detail: str, hint: str | None, exit_code: int, more: dict[str, Any] | None = None
    ) -> None:
        hint = hint or DEFAULT_HINT
        if self.as_json:
            error = {"detail": detail, "hint": hint, "exit_code": exit_code, **(more or {})}
            print(json.dumps({"error": error}, ensure_ascii=False), file=sys.stderr, flush=True)
            return
        self.say_error(f"{paint('Error:', '31', sys.stderr)} {detail}\n{hint}")

    def strong(self, text: str) -> str:
        return paint(text, "1", sys.stdout)

    def progress(self, label: str) -> Progress | None:
        """A bar on a terminal, nothing elsewhere."""
        if self.as_json or not sys.stderr.isatty():
            return None
        return Progress(label, sys.stderr)


class Progress:
    """Redraws one line; called with bytes done and bytes in all."""

    def __init__(self, label: str, stream: TextIO) -> None:
        self._label, self._stream = label, stream
        self._percent = -1

    def __call__(self, done: int, size: int) -> None:
        percent = done * 100 // max(size, 1)
        if percent != self._percent:
            self._percent = percent
            self._stream.write("\r" + self._line(percent, done, size))
            self._stream.flush()

    def _line(self, percent: int, done: int, size: int) -> str:
        filled = percent * BAR // 100
        bar = "#" * filled + "-" * (BAR - filled)
        line = f"{self._label} [{bar}] {percent:3d} %  {megabytes(done)} of {megabytes(size)}"
        return line[: shutil.get_terminal_size().columns - 1]

    def finish(self) -> None:
        if self._percent >= 0:
            self._stream.write("\n")


def paint(text: str, code: str, stream: TextIO) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain or not stream.isatty() else f"\x1b[{code}m{text}\x1b[0m"


def megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"


def hours(milliseconds: int) -> str:
    """Hours, minutes and seconds, cut and never rounded up: `1 h 30 min 05 s`."""
    seconds = milliseconds // 1000
    return f"{seconds // 3600} h {seconds // 60 % 60:02d} min {seconds % 60:02d} s"
