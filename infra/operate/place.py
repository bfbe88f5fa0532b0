"""Where a deployment is looked at from: the account's services, the name servers, this machine."""

from __future__ import annotations

import datetime as dt
import functools
import shutil
import sys
from typing import TYPE_CHECKING, Any

from infra.operate.edge import REGION as EDGE_REGION

if TYPE_CHECKING:
    from infra.operate.deployment import Deployment


class NoSuchStack(LookupError):
    """The deployment's stack is not there yet."""


class Place:
    """What a check may ask; tests put another in its place."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.python = sys.version_info[:2]

    @functools.cache  # noqa: B019  # lives as long as one run of the program
    def client(self, service: str, region: str | None = None) -> Any:
        import boto3

        return boto3.client(service, region_name=region or self.deployment.region)

    def program(self, name: str) -> str | None:
        """The path of a program of this machine, or None."""
        return shutil.which(name)

    def names(self, name: str, kind: str) -> list[str]:
        """The name servers' answers as text in small letters; a name that is not there has none."""
        import dns.resolver

        try:
            answers = dns.resolver.resolve(name, kind)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        return [str(answer).lower() for answer in answers]

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    # the stack -----------------------------------------------------------------------------------

    @property
    def stack(self) -> dict[str, Any]:
        """The stack as CloudFormation describes it; raises NoSuchStack."""
        return self._described(self.deployment.stack, self.deployment.region)

    @property
    def deployed(self) -> bool:
        return self.has(self.deployment.stack, self.deployment.region)

    @property
    def fronted(self) -> bool:
        """Whether the front door before the stack is there."""
        return self.has(self.deployment.edge_stack, EDGE_REGION)

    def has(self, stack: str, region: str) -> bool:
        """Whether there is a stack of this name that was ever complete."""
        status = self.status(stack, region) or ""
        return status == "CREATE_COMPLETE" or status.startswith(("UPDATE_", "IMPORT_"))

    def status(self, stack: str, region: str) -> str | None:
        """What CloudFormation says that it is; None where there is none."""
        try:
            return str(self._described(stack, region)["StackStatus"])
        except NoSuchStack:
            return None

    def _described(self, stack: str, region: str) -> dict[str, Any]:
        cloudformation = self.client("cloudformation", region)
        try:
            return dict(cloudformation.describe_stacks(StackName=stack)["Stacks"][0])
        except cloudformation.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise NoSuchStack(stack) from error

    def output(self, name: str) -> str:
        """An output of the stack; raises NoSuchStack also where it never came so far."""
        return _output(self.stack, name)

    def edge_output(self, name: str) -> str:
        """The same of the front door."""
        return _output(self._described(self.deployment.edge_stack, EDGE_REGION), name)

    def resource(self, logical_id: str) -> str:
        return self._resource(self.deployment.stack, self.deployment.region, logical_id)

    def edge_resource(self, logical_id: str) -> str:
        return self._resource(self.deployment.edge_stack, EDGE_REGION, logical_id)

    def _resource(self, stack: str, region: str, logical_id: str) -> str:
        found = self.client("cloudformation", region).describe_stack_resource(
            StackName=stack, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


def _output(stack: dict[str, Any], name: str) -> str:
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    if name not in outputs:
        raise NoSuchStack(name)
    return str(outputs[name])
