"""The SAM template as the CloudFormation that AWS makes of it, worked out here and offline."""

from __future__ import annotations

import copy
import os
from typing import Any

# Where `aws cloudformation package` would have put the zip; a deployment names its own bucket.
CODE = {"Bucket": "cetrus-artifacts", "Key": "deployment.zip"}
REGION = "eu-west-1"


class _NoManagedPolicies:
    """Our roles name no policy of AWS's by short name, so there is nothing to look up."""

    def load(self) -> dict[str, str]:
        return {}


def translate(sam: dict[str, Any]) -> dict[str, Any]:
    """The CloudFormation template; raises samtranslator's InvalidDocumentException."""
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
    from samtranslator.translator.transform import transform

    sam = copy.deepcopy(sam)
    for resource in sam["Resources"].values():
        if resource.get("Type") == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = CODE
    translated: dict[str, Any] = transform(sam, {}, _NoManagedPolicies())
    return translated
