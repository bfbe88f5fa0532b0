"""Deploying, before an `aws` that only writes down what it was told."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

import infra.package
from infra.operate import deploy as deploying
from infra.operate.aws import CommandFailed
from infra.operate.deploy import Deploying, deploy
from infra.operate.rollout import Refused
from infra.package import Artifact
from tests.infra.operate.test_preflight import (
    change,
    foreign_certificate,
    new_account,
    no_hash_key,
    older_python,
    sandbox,
)
from tests.infra.operate.world import ARTIFACTS, World, healthy

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKE = Path(__file__).with_name("fake_aws.py")
SET = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/awscli-cloudformation-package-1/a1"
EDGE_SET = "arn:aws:cloudformation:us-east-1:123456789012:changeSet/awscli-cloudformation-2/b2"
MADE = "Changeset created successfully. Run the following command to review changes:\naws "
EUROPE = ["--region", "eu-west-1", "--output", "json"]
VIRGINIA = ["--region", "us-east-1", "--output", "json"]
PREPARED = ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
PREPARED += ["--no-execute-changeset", "--no-fail-on-empty-changeset", "--parameter-overrides"]


def row(action: str, kind: str, name: str, replacement: str = "False") -> dict[str, Any]:
    change = {"Action": action, "ResourceType": kind, "LogicalResourceId": name}
    return {"Type": "Resource", "ResourceChange": {**change, "Replacement": replacement}}


@dataclass
class Fake:
    """The `aws` on the PATH: what it answers, and what it was told."""

    folder: Path
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, command: str, **said: Any) -> None:
        self.answers[command] = said
        (self.folder / "answers.json").write_text(json.dumps(self.answers))

    def changes(self, *rows: dict[str, Any]) -> None:
        self.answer("cloudformation describe-change-set", out=json.dumps({"Changes": rows}))

    @property
    def calls(self) -> list[list[str]]:
        file = self.folder / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def commands(self) -> list[str]:
        return [" ".join(call[:2]) for call in self.calls]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "aws"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -S {FAKE} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_AWS", str(folder))
    made = Fake(folder)
    describe = "cloudformation describe-change-set --change-set-name"
    made.answer("cloudformation deploy cetrus-prod", out=f"{MADE}{describe} {SET}\n")
    made.answer("cloudformation deploy cetrus-prod-edge", out=f"{MADE}{describe} {EDGE_SET}\n")
    made.changes(row("Modify", "AWS::Lambda::Function", "APIHandler"))
    return made


@pytest.fixture
def world() -> Iterator[World]:
    with mock_aws():
        yield healthy()


@pytest.fixture
def run(world: World, fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deploying:
    """A run whose packaging is done already (tests/infra/test_package.py packages)."""

    def packaged(stage: str, out: Path) -> Artifact:
        assert stage == "prod"
        out.mkdir(parents=True, exist_ok=True)
        (out / "sam.yaml").write_text("Resources: {}\n")
        files = (out / "sam.yaml", out / "cfn.json", out / "deployment.zip")
        return Artifact(*files, "python3.11", fresh=True)

    monkeypatch.setattr(infra.package, "package", packaged)
    assert fake.calls == []
    return Deploying(world, tmp_path / "out", lambda _: True)


class TestCommands:
    def test_they_are_exactly_these(self, run: Deploying, fake: Fake) -> None:
        certificate = run.deployment.certificate
        name = deploy(run)
        out = run.out
        bucket = ["--s3-bucket", ARTIFACTS, "--s3-prefix"]
        packaged = str(out / "packaged.yaml")
        release = f"s3://{ARTIFACTS}/cetrus/prod/releases/{name}"
        assert fake.calls == [
            ["cloudformation", "package", "--template-file", str(out / "sam.yaml"), *bucket,
             "cetrus/prod/code", "--output-template-file", packaged, *EUROPE],
            ["cloudformation", "deploy", "--stack-name", "cetrus-prod", "--template-file",
             packaged, *bucket, "cetrus/prod/templates", *PREPARED, "Stage=prod",
             "BaseUrl=https://www.cetrus.example", "MailDomain=cetrus.example",
             "AlarmEmail=alarms@cetrus.example", "ProcessorApi=https://api.stripe.com",
             "ProcessorOrigin=https://checkout.stripe.com", *EUROPE],
            ["cloudformation", "describe-change-set", "--change-set-name", SET, *EUROPE],
            ["cloudformation", "execute-change-set", "--change-set-name", SET, *EUROPE],
            ["cloudformation", "wait", "stack-update-complete", "--stack-name", "cetrus-prod",
             *EUROPE],
            ["s3", "cp", str(out / "edge.json"), f"{release}.edge.json", *EUROPE],
            ["s3", "cp", packaged, f"{release}.yaml", *EUROPE],
            ["cloudformation", "deploy", "--stack-name", "cetrus-prod-edge", "--template-file",
             str(out / "edge.json"), *PREPARED, "Stage=prod", "DomainName=www.cetrus.example",
             f"CertificateArn={certificate}",
             "ApiDomain=abc123.execute-api.eu-west-1.amazonaws.com",
             "VisitorLogsBucketArn=arn:aws:s3:::cetrus-visits",
             "AlarmEmail=alarms@cetrus.example", *VIRGINIA],
            ["cloudformation", "describe-change-set", "--change-set-name", EDGE_SET, *VIRGINIA],
            ["cloudformation", "execute-change-set", "--change-set-name", EDGE_SET, *VIRGINIA],
            ["cloudformation", "wait", "stack-update-complete", "--stack-name",
             "cetrus-prod-edge", *VIRGINIA],
        ]  # fmt: skip

    def test_a_first_deployment_waits_for_a_creation(
        self, run: Deploying, world: World, fake: Fake
    ) -> None:
        review = {**world.stack, "StackStatus": "REVIEW_IN_PROGRESS"}
        world.answers["cloudformation", "describe_stacks"] = {"Stacks": [review]}
        no_hash_key(world)
        deploy(run)
        waited = [call[2] for call in fake.calls if call[:2] == ["cloudformation", "wait"]]
        assert waited == ["stack-create-complete", "stack-create-complete"]

    def test_where_nothing_changed_nothing_is_carried_out(self, run: Deploying, fake: Fake) -> None:
        for stack in ("cetrus-prod", "cetrus-prod-edge"):
            fake.answer(f"cloudformation deploy {stack}", out="\nNo changes to deploy. …\n")
        deploy(run)
        assert "cloudformation execute-change-set" not in fake.commands

    def test_without_a_certificate_there_is_no_edge(
        self, run: Deploying, world: World, fake: Fake
    ) -> None:
        change(world, certificate="")
        deploy(run)
        assert all("us-east-1" not in call for call in fake.calls)


class TestRelease:
    def test_an_earlier_release_comes_back_without_packaging(
        self, run: Deploying, fake: Fake
    ) -> None:
        deploy(run, "0123456789ab")
        kept = f"s3://{ARTIFACTS}/cetrus/prod/releases/0123456789ab"
        packaged, edge = str(run.out / "packaged.yaml"), str(run.out / "edge.json")
        assert fake.calls[:2] == [
            ["s3", "cp", f"{kept}.yaml", packaged, *EUROPE],
            ["s3", "cp", f"{kept}.edge.json", edge, *EUROPE],
        ]
        assert fake.commands.count("cloudformation package") == 0
        assert fake.commands.count("s3 cp") == 2

    def test_its_front_door_comes_back_with_it_and_not_that_of_this_tree(
        self, run: Deploying, fake: Fake
    ) -> None:
        deploy(run, "0123456789ab")
        (put,) = (call for call in fake.calls if "cetrus-prod-edge" in call and "deploy" in call)
        template = Path(put[put.index("--template-file") + 1])
        assert template.read_text() == f"the earlier {template.name}\n"

    def test_another_front_door_alone_is_another_release(self, tmp_path: Path) -> None:
        for folder, edge in (("one", "{}"), ("two", "[]")):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "packaged.yaml").write_text("the same")
            (tmp_path / folder / "edge.json").write_text(edge)
        one, two = (
            deploying.Release(tmp_path / folder / "packaged.yaml", tmp_path / folder / "edge.json")
            for folder in ("one", "two")
        )
        assert one.name != two.name

    def test_one_that_never_was_is_told_in_one_line(self, run: Deploying, fake: Fake) -> None:
        fake.answer("s3 cp", err="\nfatal error: 404: Key does not exist\n", code=1)
        with pytest.raises(CommandFailed, match="aws s3 cp: fatal error: 404"):
            deploy(run, "0123456789ab")
        assert fake.commands == ["s3 cp"]

    def test_the_same_sources_have_the_same_release_s_name(self, run: Deploying) -> None:
        assert deploy(run) == deploy(run)


class TestRefusals:
    @pytest.mark.parametrize("plant", [new_account, foreign_certificate, older_python])
    def test_nothing_is_called_while_the_preflight_finds_something(
        self, plant: Any, run: Deploying, world: World, fake: Fake
    ) -> None:
        plant(world)
        with pytest.raises(Refused, match="preflight"):
            deploy(run)
        assert fake.calls == []

    @pytest.mark.parametrize("release", [None, "0123456789ab"])
    def test_what_is_missing_for_those_who_are_served_is_told_and_holds_up_nothing(
        self, release: str | None, run: Deploying, world: World, fake: Fake,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        no_hash_key(world)
        sandbox(world)
        deploy(run, release)
        assert "cloudformation execute-change-set" in fake.commands
        said = capsys.readouterr().out
        assert said.index("to do    secrets") < said.index("APIHandler"), "before it is agreed to"

    def test_a_first_deployment_goes_on_without_what_only_a_stack_can_have(
        self, run: Deploying, world: World, fake: Fake
    ) -> None:
        no_hash_key(world)
        world.answers["cloudformation", "describe_stacks"] = {
            "Stacks": [{**world.stack, "StackStatus": "REVIEW_IN_PROGRESS"}]
        }
        deploy(run)
        assert "cloudformation execute-change-set" in fake.commands

    @pytest.mark.parametrize("kind", ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"])
    @pytest.mark.parametrize(
        ("action", "replacement"),
        [("Remove", "False"), ("Modify", "True"), ("Modify", "Conditional")],
    )
    def test_a_change_that_would_lose_data_is_never_carried_out(
        self, kind: str, action: str, replacement: str, run: Deploying, fake: Fake
    ) -> None:
        fake.changes(row(action, kind, "Precious", replacement))
        with pytest.raises(Refused, match="would lose Precious"):
            deploy(run)
        assert fake.commands[-1] == "cloudformation describe-change-set"

    def test_what_is_not_agreed_to_is_not_carried_out(
        self, run: Deploying, fake: Fake, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asked: list[str] = []

        def decline(question: str) -> bool:
            asked.append(question)
            return False

        unwilling = Deploying(run.place, run.out, decline)
        with pytest.raises(Refused, match="not agreed"):
            deploy(unwilling)
        assert asked == ["Carry this out on cetrus-prod?"]
        assert fake.commands[-1] == "cloudformation describe-change-set"
        assert "Modify   APIHandler" in capsys.readouterr().out, "it was shown first"

    def test_nobody_at_the_terminal_is_a_no(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO())
        assert deploying.agree("Carry this out?") is False

    def test_a_failure_of_the_command_line_ends_it(self, run: Deploying, fake: Fake) -> None:
        fake.answer("cloudformation wait", err="Waiter StackUpdateComplete failed\n", code=255)
        with pytest.raises(CommandFailed, match=r"wait: .*StackUpdateComplete failed"):
            deploy(run)
        assert "s3 cp" not in fake.commands, "a release that did not come up is not kept"


class TestMain:
    def test_bad_parameters_are_told_in_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for text in ("no json", "[]", '{"colour": "red"}', '{"account": "12"}'):
            file = tmp_path / "prod.json"
            file.write_text(text)
            assert deploying.main(["--stage", "prod", "--params", str(file)]) == 2
            assert len(capsys.readouterr().err.splitlines()) == 1

    def test_a_refusal_is_exit_code_1(
        self, fake: Fake, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        chosen = {
            name: getattr(world.deployment, name)
            for name in ("account", "region", "artifacts", "base_url", "mail_domain", "alarm_email")
        }
        file = tmp_path / "prod.json"
        file.write_text(json.dumps(chosen))
        monkeypatch.setattr("infra.operate.place.Place", lambda _: world)
        new_account(world)
        assert deploying.main(["--stage", "prod", "--params", str(file)]) == 1
        said = capsys.readouterr()
        assert "missing  concurrency" in said.out
        assert "nothing was changed" in said.err
        assert fake.calls == []
