"""An `aws` that writes down its argument vector and answers from a script of answers.

Run as `aws …`: FAKE_AWS names a folder; `answers.json` there maps "service command" (or
"service command stack") to {"out": text, "err": text, "code": n}; `calls.jsonl` gets the vectors.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

folder = Path(os.environ["FAKE_AWS"])
vector = sys.argv[1:]
with (folder / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(vector) + "\n")
answers = json.loads((folder / "answers.json").read_text())
key = " ".join(vector[:2])
stack = vector[vector.index("--stack-name") + 1] if "--stack-name" in vector else ""
answer = answers.get(f"{key} {stack}") or answers.get(key) or {}
if "--output-template-file" in vector:
    target = vector[vector.index("--output-template-file") + 1]
    Path(target).write_text("packaged: s3://cetrus-artifacts-example/code\n")
if vector[:2] == ["s3", "cp"] and not vector[3].startswith("s3://") and not answer:
    Path(vector[3]).write_text(f"the earlier {Path(vector[3]).name}\n")
sys.stdout.write(answer.get("out", ""))
sys.stderr.write(answer.get("err", ""))
sys.exit(answer.get("code", 0))
