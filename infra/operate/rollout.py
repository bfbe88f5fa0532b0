"""Changing one stack: the change set is made, shown, judged, agreed to and then carried out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from infra.operate.aws import Aws

CHANGE_SET = re.compile(r"arn:[a-z-]+:cloudformation:\S+:changeSet/\S+")
# What holds data that nothing else holds.
PRECIOUS = frozenset({"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"})


class Refused(Exception):
    """The change would lose data, or was not agreed to; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What a stack shall be: its template and parameters, and where a large template is put."""

    name: str
    template: Path
    parameters: Mapping[str, str]
    bucket: str = ""
    prefix: str = ""

    def arguments(self) -> list[str]:
        """The argument vector that makes its change set and carries nothing out."""
        arguments = ["cloudformation", "deploy", "--stack-name", self.name]
        arguments += ["--template-file", str(self.template)]
        if self.bucket:
            arguments += ["--s3-bucket", self.bucket, "--s3-prefix", self.prefix]
        arguments += ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        arguments += ["--no-execute-changeset", "--no-fail-on-empty-changeset"]
        arguments += ["--parameter-overrides"]
        return arguments + [f"{name}={value}" for name, value in self.parameters.items()]


@dataclass(frozen=True, slots=True)
class Change:
    action: str
    name: str
    kind: str
    replacement: str

    @property
    def loses_data(self) -> bool:
        """Whether something precious would be removed, or (perhaps) made anew and so emptied."""
        gone = self.action == "Remove" or self.replacement in ("True", "Conditional")
        return self.kind in PRECIOUS and gone

    def __str__(self) -> str:
        anew = {"True": "  made anew", "Conditional": "  perhaps made anew"}
        return f"  {self.action:8} {self.name:32} {self.kind}{anew.get(self.replacement, '')}"


def roll_out(stack: Stack, aws: Aws, *, new: bool, agreed: Callable[[str], bool]) -> bool:
    """Bring a stack to what it shall be; False where it was so already. Raises Refused."""
    found = CHANGE_SET.search(aws.run(*stack.arguments()))
    if found is None:
        print(f"{stack.name}: nothing to change")
        return False
    changes = described(aws.ask(*_on(found[0], "describe-change-set")))
    print(f"{stack.name}:", *map(str, changes), sep="\n", flush=True)
    judge(stack, changes)
    if not agreed(f"Carry this out on {stack.name}?"):
        raise Refused("It was not agreed to; nothing was changed.")
    aws.run(*_on(found[0], "execute-change-set"))
    done = "stack-create-complete" if new else "stack-update-complete"
    aws.run("cloudformation", "wait", done, "--stack-name", stack.name)
    return True


def _on(change_set: str, command: str) -> list[str]:
    return ["cloudformation", command, "--change-set-name", change_set]


def described(answer: Mapping[str, Any]) -> list[Change]:
    rows = [one["ResourceChange"] for one in answer["Changes"] if one["Type"] == "Resource"]
    return [
        Change(
            row["Action"],
            row["LogicalResourceId"],
            row["ResourceType"],
            row.get("Replacement", "False"),
        )
        for row in rows
    ]


def judge(stack: Stack, changes: list[Change]) -> None:
    """Raise Refused where data would be lost: that is planned by hand, with a copy first."""
    lost = [change.name for change in changes if change.loses_data]
    if lost:
        raise Refused(f"{stack.name} would lose {', '.join(lost)}; nothing was changed.")
