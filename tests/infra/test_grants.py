"""The comparison of roles with their use: it misses no grant, and no refusal."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.iam import parse
from infra.local.judge import Judge
from infra.local.wire import Call
from infra.package import ROOT
from infra.tools import grants
from infra.tools.grants import main

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/accounts"
POLICY = {
    "Statement": [
        {"Sid": "Rows", "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
         "Resource": [f"{TABLE}-of-another", TABLE]},
        {"Sid": "Log", "Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "arn:log"},
    ]
}  # fmt: skip


def asked(action: str) -> Call:
    return Call("dynamodb", action, "KEY", {"TableName": "accounts"})


def report_of(*actions: str) -> dict[str, Any]:
    judge = Judge({"role": parse(POLICY, "role")}, {})
    for action in actions:
        judge.refused(asked(action), "sweep", "role")
    return judge.report({"sweep": "role"})


def said(
    folder: Path, capsys: pytest.CaptureFixture[str], *reports: dict[str, Any]
) -> tuple[int, str]:
    for number, report in enumerate(reports):
        (folder / f"{number}.json").write_text(json.dumps(report))
    return main([str(folder)]), capsys.readouterr().out


def without_the_other_table(report: dict[str, Any]) -> dict[str, Any]:
    kept = [grant for grant in report["granted"]["sweep"] if grant[3] != f"{TABLE}-of-another"]
    return {**report, "granted": {"sweep": kept}}


def test_a_grant_is_used_where_any_cloud_of_the_run_used_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = (without_the_other_table(report_of(action)) for action in ("GetItem", "PutItem"))
    status, text = said(tmp_path, capsys, *reports)
    assert status == 0
    assert text == "3 grants from 2 clouds: 0 never used, 0 missing, 1 exercised by Lambda itself\n"


def test_an_action_that_was_never_used_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = said(tmp_path, capsys, without_the_other_table(report_of("GetItem")))
    assert status == 1
    assert f"granted and never used  sweep: dynamodb:PutItem on {TABLE} (statement Rows)" in text


def test_a_resource_that_was_never_used_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = said(tmp_path, capsys, report_of("GetItem", "PutItem"))
    assert status == 1
    assert text.count(f"on {TABLE}-of-another (statement Rows)") == 2


def test_what_was_refused_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("GetItem", "PutItem", "DeleteItem")
    status, text = said(tmp_path, capsys, without_the_other_table(report))
    assert status == 1
    assert f"used and not granted    sweep: dynamodb:DeleteItem on {TABLE}" in text


def test_what_only_aws_exercises_is_named_by_function_statement_and_action(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "BY_S3", {("sweep", "Rows", "dynamodb:PutItem"): "a reason"})
    status, _ = said(tmp_path, capsys, without_the_other_table(report_of("GetItem")))
    assert status == 0
    monkeypatch.setattr(grants, "BY_S3", {("sweep", "Others", "dynamodb:PutItem"): "a reason"})
    status, _ = said(tmp_path, capsys, without_the_other_table(report_of("GetItem")))
    assert status == 1


def test_being_told_that_an_object_is_absent_takes_the_right_to_list_and_uses_it() -> None:
    allow = {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket"}
    policy = {"Statement": [{**allow, "Resource": "arn:aws:s3:::in"}]}
    judge = Judge({"role": parse(policy, "role")}, {})
    for bucket in ("in", "out"):
        judge.refused_to_know(
            Call("s3", "GetObject", "KEY", {"Bucket": bucket, "Key": "k"}), "sweep", "role"
        )
    report = judge.report({"sweep": "role"})
    assert report["used"] == {"sweep": [["List", "s3:ListBucket", 0]]}
    assert report["refused"] == [["sweep", "s3:ListBucket", "arn:aws:s3:::out"]]


def test_a_run_without_reports_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path)])


def test_a_run_of_all_tests_ends_with_the_comparison_and_one_of_some_does_not() -> None:
    assert "-m infra.tools.grants" in made_by("test")[-1]
    some = made_by("test", "TESTS=tests/infra")
    assert "pytest" in some[-1]
    assert not [line for line in some if "infra.tools.grants" in line]


def made_by(*arguments: str) -> list[str]:
    """What make would run, whatever the make that runs these tests was told."""
    done = subprocess.run(
        ["make", "--dry-run", *arguments], env={"PATH": os.environ["PATH"]}, cwd=ROOT,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_a_judge_leaves_its_report_where_the_run_collects_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_GRANTS", str(tmp_path / "grants"))
    Judge({"role": parse(POLICY, "role")}, {}).keep({"sweep": "role"})
    (kept,) = (tmp_path / "grants").glob("*.json")
    assert json.loads(kept.read_text())["granted"]["sweep"]
