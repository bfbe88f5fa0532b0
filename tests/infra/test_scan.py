"""Explanations of scanners' findings: each covers what it names, and none outlives its reason."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from infra.tools import scan
from infra.tools.scan import Explanation, Finding, explanations, judged

if TYPE_CHECKING:
    from pathlib import Path

OPEN = Finding("checkov", "CKV_AWS_18", "MailBucket", "Ensure the bucket has access logging")
KNOWN = Explanation("CKV_AWS_18", ("*Bucket",), "Addresses.")


def test_a_finding_that_is_explained_is_no_news() -> None:
    assert judged([OPEN], [KNOWN]) == ([], [])


@pytest.mark.parametrize(
    "other",
    [
        Finding("checkov", "CKV_AWS_21", "MailBucket", OPEN.detail),
        Finding("checkov", "CKV_AWS_18", "MailBucketPolicy", OPEN.detail),
    ],
    ids=["another_check", "another_resource"],
)
def test_an_explanation_covers_only_what_it_names(other: Finding) -> None:
    assert judged([OPEN, other], [KNOWN]) == ([other], [])


def test_an_explanation_may_ask_for_words_of_the_finding() -> None:
    narrow = Explanation("RESOURCE_STAR", ("Role",), "No resource.", detail="ses:GetAccount")
    wide = Finding("parliament", "RESOURCE_STAR", "Role", "['s3:GetObject']")
    assert judged([wide], [narrow]) == ([wide], [narrow])


def test_an_explanation_of_nothing_is_told() -> None:
    assert judged([], [KNOWN]) == ([], [KNOWN])


def test_every_kept_explanation_says_why() -> None:
    assert all(len(known.why) > 20 and known.about for known in explanations())


def test_a_scanner_that_does_not_run_is_no_clean_bill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 2, "", "no such module")

    monkeypatch.setattr(subprocess, "run", failing)
    with pytest.raises(scan.ScanFailed, match="no such module"):
        scan.by_checkov(tmp_path / "python", tmp_path / "cfn.json")


def test_a_template_that_checkov_cannot_read_is_no_clean_bill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.dumps({"summary": {"parsing_errors": 1}, "results": {"failed_checks": []}})
    monkeypatch.setattr(scan, "run", lambda *_, **__: said)
    with pytest.raises(scan.ScanFailed, match="cannot read"):
        scan.by_checkov(tmp_path / "python", tmp_path / "cfn.json")


def test_policies_are_scanned_with_their_references_worked_out() -> None:
    statement = {
        "Effect": "Allow",
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": ["Mail", "Arn"]},
    }
    template = {
        "Parameters": {name: {"Type": "String"} for name in scan.PARAMETERS},
        "Resources": {
            "Mail": {"Type": "AWS::SQS::Queue"},
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {"Policies": [{"PolicyDocument": {"Statement": [statement]}}]},
            },
        },
    }
    ((name, policy),) = scan.role_policies(template)
    assert name == "Role"
    assert policy["Statement"][0]["Resource"] == "arn:aws:sqs:eu-west-1:123456789012:Mail"
