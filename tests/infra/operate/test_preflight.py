"""The preflight: silent where nothing is missing, and finding every planted omission."""

from __future__ import annotations

import dataclasses
import json
import re
import runpy
import sys
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import NoCredentialsError
from moto import mock_aws

from chalicelib.staff.rules import Role
from infra.operate import checks, preflight
from infra.operate.check import When
from infra.operate.checks import CHECKS, secret_names
from tests.infra.operate import world as make
from tests.infra.operate.world import (
    ARTIFACTS,
    SECRETS,
    World,
    client,
    deployment,
    healthy,
    put_secret,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def world() -> Iterator[World]:
    with mock_aws():
        yield healthy()


def found(world: World) -> list[str]:
    return [finding.name for finding in preflight.preflight(world).findings]


def change(world: World, **values: str) -> None:
    world.deployment = dataclasses.replace(world.deployment, **values)


def older_python(world: World) -> None:
    world.python = (3, 10)


def no_command_line(world: World) -> None:
    world.programs.clear()


def no_bucket(world: World) -> None:
    change(world, artifacts="cetrus-nowhere")


def public_bucket(_: World) -> None:
    client("s3").delete_public_access_block(Bucket=ARTIFACTS)


def with_status(world: World, stack: str, status: str) -> None:
    """Of one stack alone; of the others CloudFormation says what it said."""
    kept = {
        name: client("cloudformation", region).describe_stacks(StackName=name)["Stacks"][0]
        for name, region in (("cetrus-prod", make.REGION), ("cetrus-prod-edge", "us-east-1"))
    }
    kept[stack] = {**kept[stack], "StackStatus": status}
    world.answers["cloudformation", "describe_stacks"] = lambda StackName: {  # noqa: N803
        "Stacks": [kept[StackName]]
    }


def failed_stack(world: World) -> None:
    with_status(world, "cetrus-prod", "UPDATE_ROLLBACK_FAILED")


def failed_edge(world: World) -> None:
    with_status(world, "cetrus-prod-edge", "UPDATE_ROLLBACK_FAILED")


def no_edge(world: World) -> None:
    client("cloudformation", "us-east-1").delete_stack(StackName=world.deployment.edge_stack)


def pending_in(world: World, region: str) -> None:
    def subscriptions(TopicArn: str) -> dict[str, object]:  # noqa: N803
        pending = f":{region}:" in TopicArn
        return {
            "Subscriptions": [{"SubscriptionArn": "PendingConfirmation" if pending else TopicArn}]
        }

    world.answers["sns", "list_subscriptions_by_topic"] = subscriptions


def no_contract(world: World) -> None:
    table = make.accounts(world)
    table.apply(table.delete("RECIPIENT#processor", "CONTRACT"))


def only_service(world: World) -> None:
    make.end_staff(world)
    make.put_staff(world, Role.SERVICE, "stf_two")


def new_account(world: World) -> None:
    settings = {"AccountLimit": {"ConcurrentExecutions": 10}}
    world.answers["lambda", "get_account_settings"] = settings


def foreign_certificate(world: World) -> None:
    change(world, certificate=make.make_certificate("other.example"))


def old_certificate(world: World) -> None:
    change(world, certificate=make.make_certificate("www.cetrus.example", days=20))


def waiting_certificate(world: World) -> None:
    acm = client("acm", "us-east-1")
    made = acm.request_certificate(DomainName="www.cetrus.example", ValidationMethod="DNS")
    world.answers["acm", "describe_certificate"] = {
        "Certificate": {"Status": "PENDING_VALIDATION", "DomainName": "www.cetrus.example"}
    }
    change(world, certificate=made["CertificateArn"])


def no_hash_key(_: World) -> None:
    client("ssm").delete_parameter(Name=f"{make.PREFIX}/hash-key")


def plain_hash_key(_: World) -> None:
    no_hash_key(_)
    put_secret("hash-key", "in-clear", kind="String")


def secrets_out_of_force(_: World) -> None:
    row = {"id": "1", "value": "whsec_x", "not_before": 0, "not_after": 1}
    put_secret("webhook-secrets", json.dumps([row]))


def unverified_sender(world: World) -> None:
    world.answers["sesv2", "get_email_identity"] = {"VerifiedForSendingStatus": False}


def sandbox(world: World) -> None:
    account = world.answers["sesv2", "get_account"]
    world.answers["sesv2", "get_account"] = {**account, "ProductionAccessEnabled": False}


def small_quota(world: World) -> None:
    account = world.answers["sesv2", "get_account"]
    world.answers["sesv2", "get_account"] = {**account, "SendQuota": {"Max24HourSend": 200.0}}


def foreign_exchanger(world: World) -> None:
    world.zone["cetrus.example", "MX"] = ["10 mail.elsewhere.example."]


def leads_elsewhere(world: World) -> None:
    world.zone["www.cetrus.example", "CNAME"] = ["abc123.execute-api.eu-west-1.amazonaws.com."]
    world.zone["www.cetrus.example", "A"] = ["192.0.2.77"]


def idle_receipt_rules(_: World) -> None:
    client("ses").set_active_receipt_rule_set()


def pending_subscription(world: World) -> None:
    pending_in(world, make.REGION)


def backed_up_grants(world: World) -> None:
    client("dynamodb").update_continuous_backups(
        TableName=world.output("KeysTableName"),
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )


PLANTED: list[tuple[str, Callable[[World], object]]] = [
    ("python", older_python),
    ("aws", no_command_line),
    ("account", lambda world: change(world, account="999999999999")),
    ("artifacts", no_bucket),
    ("artifacts", public_bucket),
    ("stack", failed_stack),
    ("edge-stack", failed_edge),
    ("concurrency", new_account),
    ("certificate", foreign_certificate),
    ("certificate", old_certificate),
    ("certificate", waiting_certificate),
    ("front-door", lambda world: change(world, certificate="")),
    ("front-door", no_edge),
    ("secrets", no_hash_key),
    ("secrets", plain_hash_key),
    ("processor", lambda _: put_secret("processor-worker-key", "rk_test_worker")),
    ("processor", lambda _: put_secret("processor-worker-key", "sk_live_everything")),
    ("processor", lambda _: put_secret("processor-worker-key", "rk_live_checkout")),
    ("webhook-secret", secrets_out_of_force),
    ("webhook-secret", lambda _: put_secret("webhook-secrets", "whsec_alone")),
    ("signing-key", lambda world: make.put_signing_key(world, days=20)),
    ("contract", no_contract),
    ("contract", lambda world: make.put_contract(world, days=20)),
    ("staff", make.end_staff),
    ("staff", only_service),
    ("mail-identity", unverified_sender),
    ("mail-sandbox", sandbox),
    ("mail-quota", small_quota),
    ("mail-exchanger", foreign_exchanger),
    ("mail-policy", lambda world: world.zone.pop(("_dmarc.cetrus.example", "TXT"))),
    ("mail-rules", idle_receipt_rules),
    ("alarms", pending_subscription),
    ("edge-alarms", lambda world: pending_in(world, "us-east-1")),
    ("backups", backed_up_grants),
    ("address", lambda world: world.zone.pop(("www.cetrus.example", "A"))),
    ("address", leads_elsewhere),
]


def nobody(*_: object) -> None:
    """A client that cannot be made, because nobody signed in."""
    raise NoCredentialsError


class TestOmissions:
    def test_a_deployment_that_lacks_nothing_has_no_finding(self, world: World) -> None:
        result = preflight.preflight(world)
        assert result.findings == ()
        assert "nothing stands in the way" in preflight.told(result, world)

    @pytest.mark.parametrize(
        ("name", "plant"), PLANTED, ids=[f"{name}-{n}" for n, (name, _) in enumerate(PLANTED)]
    )
    def test_each_planted_omission_is_found_and_nothing_else(
        self, name: str, plant: Callable[[World], object], world: World
    ) -> None:
        plant(world)
        (finding,) = preflight.preflight(world).findings
        assert finding.name == name
        assert finding.problem
        assert "{" not in finding.then, "what to do next is filled in"

    def test_twelve_at_once_are_twelve_findings(self, world: World) -> None:
        twelve = [
            new_account,
            waiting_certificate,
            no_hash_key,
            secrets_out_of_force,
            unverified_sender,
            sandbox,
            small_quota,
            foreign_exchanger,
            idle_receipt_rules,
            pending_subscription,
            backed_up_grants,
            older_python,
        ]
        for plant in twelve:
            plant(world)
        assert len(set(found(world))) == len(twelve)

    def test_only_what_a_deployment_itself_needs_stands_in_its_way(self, world: World) -> None:
        no_hash_key(world)
        sandbox(world)
        new_account(world)
        result = preflight.preflight(world)
        assert [one.name for one in result.blocking] == ["concurrency"]
        assert "1 missing, 2 to do before anybody is served" in preflight.told(result, world)

    def test_an_alias_has_no_name_but_the_addresses_of_the_front_door(self, world: World) -> None:
        del world.zone["www.cetrus.example", "CNAME"]
        assert found(world) == []

    def test_without_a_front_door_any_address_will_do(self, world: World) -> None:
        change(world, certificate="")
        no_edge(world)
        leads_elsewhere(world)
        assert found(world) == ["front-door"]

    def test_every_check_has_a_planted_omission(self) -> None:
        # A region cannot be planted: moto has the whole world in one.
        assert {check.name for check in CHECKS} == {name for name, _ in PLANTED} | {"receiving"}

    def test_a_region_without_inbound_mail_is_found(self, world: World) -> None:
        change(world, region="eu-central-2")
        (check,) = (check for check in CHECKS if check.name == "receiving")
        finding = preflight.look(check, world)
        assert finding is not None
        assert "eu-central-2" in finding.problem


class TestBeforeTheFirstDeployment:
    @pytest.fixture
    def bare(self, world: World) -> World:
        cloudformation = client("cloudformation")
        cloudformation.delete_stack(StackName=world.deployment.stack)
        no_edge(world)
        return world

    def test_what_only_a_stack_can_have_stands_in_nobody_s_way(self, bare: World) -> None:
        no_hash_key(bare)
        result = preflight.preflight(bare)
        assert result.blocking == ()
        assert {one.name for one in result.findings} == {
            "front-door", "secrets", "signing-key", "contract", "staff", "alarms", "backups",
        }  # fmt: skip
        text = preflight.told(result, bare)
        assert "to do    secrets" in text
        assert "7 to do before anybody is served" in text

    def test_what_is_needed_for_it_does(self, bare: World) -> None:
        new_account(bare)
        assert [one.name for one in preflight.preflight(bare).blocking] == ["concurrency"]

    def test_a_stack_that_never_came_up_does_not_count_as_deployed(self, world: World) -> None:
        stack = {"StackStatus": "ROLLBACK_COMPLETE"}
        world.answers["cloudformation", "describe_stacks"] = {"Stacks": [stack]}
        assert not world.deployed
        assert found(world)[0] == "stack"


class TestWithoutAnAccount:
    def test_what_needs_one_is_named_and_the_rest_is_looked_at(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(world, "client", nobody)
        result = preflight.preflight(world)
        found = {one.name: one.problem for one in result.findings}
        assert found["account"].startswith("no AWS credentials; what needs an account was not")
        named = found["account"].rpartition(": ")[2].split(", ")
        assert {"artifacts", "concurrency", "secrets", "mail-rules", "backups"} <= set(named)
        assert len(result.findings) == 1, "said once, with no remedy of another problem"
        assert not found.keys() & {"python", "aws", "receiving", "mail-exchanger", "address"}
        assert "account" in {one.name for one in result.blocking}


class TestHonesty:
    def test_what_could_not_be_looked_at_is_a_finding(self, world: World) -> None:
        world.answers["sesv2", "get_account"] = make.refused("AccessDeniedException")
        found = {one.name: one.problem for one in preflight.preflight(world).findings}
        assert found == dict.fromkeys(
            ("mail-sandbox", "mail-quota"), "could not be looked at: AccessDeniedException"
        )

    def test_no_secret_is_printed(self, world: World) -> None:
        put_secret("processor-worker-key", "rk_test_worker")
        put_secret("processor-checkout-key", "sk_live_checkout")
        put_secret("webhook-secrets", "whsec_alone")
        text = preflight.told(preflight.preflight(world), world)
        for value in (*SECRETS.values(), "rk_test_worker", "sk_live_checkout", "whsec_alone"):
            assert value not in text

    def test_the_live_stage_takes_no_test_key(self, world: World) -> None:
        put_secret("processor-worker-key", "rk_test_worker")
        assert "not of the live mode" in str(checks.processor(world))

    def test_test_keys_belong_to_every_stage_but_the_live_one(self, world: World) -> None:
        change(world, stage="staging")
        for name in SECRETS:
            value = SECRETS[name].replace("live", "test")
            client("ssm").put_parameter(
                Name=f"/cetrus/staging/{name}", Value=value, Type="SecureString"
            )
        assert checks.processor(world) is None

    def test_it_looks_for_every_secret_that_a_role_may_read(self) -> None:
        assert set(secret_names()) >= SECRETS.keys()


class TestCommand:
    def test_run_as_a_program_it_ends_by_saying_what_stands_in_the_way(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        chosen = dataclasses.asdict(deployment())
        del chosen["stage"]
        file = tmp_path / "prod.json"
        file.write_text(json.dumps(chosen))
        command = ["preflight", "--stage", "prod", "--params", str(file)]
        monkeypatch.setattr("sys.argv", command)
        monkeypatch.setattr("infra.operate.place.Place.client", nobody)
        monkeypatch.setattr("infra.operate.place.Place.names", lambda *_: [])
        monkeypatch.setenv("PATH", "/nowhere")
        # As a program it is a second module, beside the one that others import.
        monkeypatch.delitem(sys.modules, "infra.operate.preflight")
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("infra.operate.preflight", run_name="__main__")
        assert ended.value.code == 1
        said = capsys.readouterr().out
        assert "missing  aws: " in said
        assert said.startswith("missing  account: no AWS credentials; what needs an account was")
        assert "NoCredentialsError" not in said
        assert "to do    address: " in said
        assert re.search(r"preflight of cetrus-prod: \d+ missing, \d+ to do", said)

    def test_a_bad_file_is_told_in_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "prod.json"
        file.write_text('{"account": "12"}')
        assert preflight.main(["--stage", "prod", "--params", str(file)]) == 2
        assert "Missing: " in capsys.readouterr().err

    def test_where_there_is_no_file_it_says_how_to_write_one(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "prod.json"
        assert preflight.main(["--stage", "prod", "--params", str(file)]) == 2
        assert "Write prod.json as in docs/first-deploy.md, line 6." in capsys.readouterr().err

    def test_serving_checks_say_when_they_are_needed(self) -> None:
        assert {check.when for check in CHECKS} == set(When)
