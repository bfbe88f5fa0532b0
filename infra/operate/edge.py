"""The web front door as CloudFormation takes it: without the anchors of infra/edge.yaml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.fragments import read_fragment

EDGE = Path(__file__).parents[1] / "edge.yaml"
REGION = "us-east-1"
"""Where CloudFront wants its web ACL, its certificate and its log delivery."""


def read_edge() -> dict[str, Any]:
    return read_fragment(EDGE)


def write_edge(out: Path) -> Path:
    """Write `edge.json` into a folder and return its path."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "edge.json"
    # Compact: above 51,200 bytes a template must stand in a bucket of the same region.
    file.write_text(json.dumps(read_edge(), separators=(",", ":")) + "\n")
    return file
