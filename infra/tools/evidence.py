"""What a run of checks left under `.tools/`, good for the very tree that it was made from."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(".tools/evidence")


def tree(root: Path = ROOT) -> str:
    """The hash of all tracked files as they now stand; of all files where nothing is tracked."""
    told = hashlib.sha256()
    for name in sorted(tracked(root) or present(root)):
        path = root / name
        content = path.read_bytes() if path.is_file() else b""
        told.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return told.hexdigest()


def tracked(root: Path) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False
    ).stdout
    return listed.decode().strip("\0").split("\0") if listed else []


def present(root: Path) -> list[str]:
    """What is there but for what is made again: folders of tools, caches and results."""
    made = {"out", "build", "dist", "__pycache__"}
    return [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") or part in made for part in path.relative_to(root).parts)
    ]


def commit(root: Path = ROOT) -> str:
    """The commit of the files here, with a mark where they were changed since; empty without."""
    asked = ["git", "describe", "--always", "--abbrev=12", "--dirty=-changed", "--exclude=*"]
    done = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def keep(name: str, of: str, facts: Any, root: Path = ROOT) -> bool:
    """Keep the facts for that tree; False where the tree has moved while they were found."""
    if tree(root) != of:
        return False
    path = root / FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(".making")
    making.write_text(json.dumps({"tree": of, "facts": facts}, indent=1) + "\n")
    making.replace(path)
    return True


def kept(name: str, of: str, root: Path = ROOT) -> Any:
    """The facts that were found for that tree; None where there are none."""
    try:
        found = json.loads((root / FOLDER / f"{name}.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found["facts"] if found["tree"] == of else None
