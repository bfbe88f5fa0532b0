"""A release that comes after this one: the same package, whose writes say more than ours do."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

STORAGE = "chalicelib/storage/dynamo.py"
WRITES = 'request["Item"] = to_wire_item(write.item)'
MARK = "of_a_later_release"
# What only a later release would write: a version that nobody knows yet, attributes of all kinds.
LATER = (
    'request["Item"] = to_wire_item({**write.item, "v": write.item.get("v", 1) + 1, '
    f'"{MARK}": {{"text": "later", "list": [1, "two", None], "flag": True}}}})'
)


def later_release(package: Path, out: Path) -> Path:
    """Make the later release's package out of ours, without the bytecode of what it changes."""
    compiled = STORAGE.removesuffix(".py").rpartition("/")[2]
    with zipfile.ZipFile(package) as ours, zipfile.ZipFile(out, "w") as theirs:
        for entry in ours.infolist():
            data = ours.read(entry)
            name = entry.filename.rpartition("/")[2]
            if entry.filename.startswith("chalicelib/storage/__pycache__/") and name.startswith(
                f"{compiled}."
            ):
                continue
            if entry.filename == STORAGE:
                assert data.decode().count(WRITES) == 1
                data = data.decode().replace(WRITES, LATER).encode()
            theirs.writestr(entry, data)
    return out
