"""Runs inside the scanners' environment: role policies by name on stdin, findings on stdout.

A finding is (scanner, check, role, detail); JSON in, JSON out.
"""

from __future__ import annotations

import json
import sys
import warnings

warnings.simplefilter("ignore")

import parliament  # type: ignore[import-not-found]  # noqa: E402 - lives in the scanners' environment
from cloudsplaining.scan.policy_document import (  # type: ignore[import-not-found]  # noqa: E402 - likewise
    PolicyDocument,
)

RISKS = (
    "all_allowed_unrestricted_actions",
    "allows_data_exfiltration_actions",
    "allows_privilege_escalation",
    "contains_statement_using_not_action",
    "credentials_exposure",
    "infrastructure_modification",
    "permissions_management_without_constraints",
    "service_wildcard",
    "tagging_actions_without_constraints",
    "write_actions_without_constraints",
)


def main() -> None:
    findings = []
    for role, policy in json.load(sys.stdin).items():
        findings += [
            ("parliament", found.issue, role, str(found.detail))
            for found in parliament.analyze_policy_string(json.dumps(policy)).findings
        ]
        document = PolicyDocument(policy)
        findings += [
            ("cloudsplaining", risk, role, str(found))
            for risk in RISKS
            if (found := getattr(document, risk))
        ]
    json.dump(findings, sys.stdout)


main()
