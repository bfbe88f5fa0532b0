"""The local cloud carries out all of the template, or stops with the name of what it cannot."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.cloud import Cloud, CloudError
from infra.local.decisions import DECISIONS, check
from infra.local.template import Resolver, ordered

from .conftest import PARAMETERS, template

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
ROOT = Path(__file__).parents[3]


class TestStrictness:
    def stopped(self, changed: Json, out_of: Callable[[Json], Path], tmp_path: Path) -> str:
        with pytest.raises(CloudError) as caught:
            Cloud.start(out_of(changed), tmp_path / "data", PARAMETERS)
        text = str(caught.value)
        assert "\n" not in text
        return text

    def test_an_unknown_type_stops_the_start(
        self, out_of: Callable[[Json], Path], tmp_path: Path
    ) -> None:
        changed = template()
        changed["Resources"]["Cache"] = {"Type": "AWS::ElastiCache::Cluster", "Properties": {}}
        text = self.stopped(changed, out_of, tmp_path)
        assert "Cache: the type AWS::ElastiCache::Cluster is not decided about" in text

    @pytest.mark.parametrize(
        ("name", "prop"),
        [
            ("Things", "StreamSpecification"),
            ("Box", "ReplicationConfiguration"),
            ("Work", "KmsMasterKeyId"),
            ("Probe", "VpcConfig"),
            ("TickRule", "EventPattern"),
            ("Vault", "MultiRegion"),
        ],
    )
    def test_an_unknown_property_stops_the_start(
        self, name: str, prop: str, out_of: Callable[[Json], Path], tmp_path: Path
    ) -> None:
        changed = template()
        changed["Resources"][name]["Properties"][prop] = {}
        kind = changed["Resources"][name]["Type"]
        text = self.stopped(changed, out_of, tmp_path)
        assert f"{name}: the property {kind}.{prop} is not decided about" in text

    @pytest.mark.parametrize(
        ("plant", "named"),
        [
            (lambda r: r["Things"].update({"CreationPolicy": {}}), "CreationPolicy"),
            (lambda r: r["Box"]["Properties"]["VersioningConfiguration"].update(Fast=1), "Fast"),
            (
                lambda r: r["Box"]["Properties"]["NotificationConfiguration"].update(
                    TopicConfigurations=[]
                ),
                "TopicConfigurations",
            ),
            (
                lambda r: r["Work"]["Properties"].update(
                    RedrivePolicy={"deadLetterTargetArn": "a"}
                ),
                "Work (AWS::SQS::Queue)",
            ),
            (
                lambda r: r["TickRule"]["Properties"]["Targets"][0].update(RetryPolicy={}),
                "RetryPolicy",
            ),
            (
                lambda r: r["TickRule"]["Properties"].update(ScheduleExpression="rate(1 week)"),
                "rate(1 week)",
            ),
            (
                lambda r: r["WorkSource"]["Properties"].update(
                    EventSourceArn="arn:aws:kinesis:eu-west-1:1:stream/x"
                ),
                "kinesis",
            ),
            (
                lambda r: r["InboundRole"]["Properties"]["Policies"][0]["PolicyDocument"][
                    "Statement"
                ][0].update(Condition={"IpAddress": {"aws:SourceIp": "1.1.1.1"}}),
                "IpAddress",
            ),
            (
                lambda r: r["InboundRole"]["Properties"]["Policies"][0]["PolicyDocument"][
                    "Statement"
                ][0].update(Condition={"StringEquals": {"aws:Weather": "fine"}}),
                "aws:Weather",
            ),
            (
                lambda r: r["InboundRole"]["Properties"].update(ManagedPolicyArns=["arn:x"]),
                "managed policies",
            ),
            (
                lambda r: r["Probe"]["Properties"].update(Handler={"Fn::Base64": "x"}),
                "Fn::Base64",
            ),
            (
                lambda r: r["Box"]["Properties"].update(BucketName={"Ref": "Inbound"}),
                "circular: ",
            ),
            (
                lambda r: r["Probe"]["Properties"].update(Handler={"Fn::GetAtt": ["Things", "X"]}),
                "Things.X",
            ),
        ],
    )
    def test_deeper_surprises_stop_it_too(
        self,
        plant: Callable[[Json], Any],
        named: str,
        out_of: Callable[[Json], Path],
        tmp_path: Path,
    ) -> None:
        changed = template()
        plant(changed["Resources"])
        if named == "circular: ":
            variables = changed["Resources"]["Inbound"]["Properties"]["Environment"]["Variables"]
            variables["BOX"] = {"Ref": "Box"}
        assert named in self.stopped(changed, out_of, tmp_path)

    def test_missing_files_and_parameters_are_one_clear_line(
        self, out_of: Callable[[Json], Path], tmp_path: Path
    ) -> None:
        with pytest.raises(CloudError, match="make package"):
            Cloud.start(tmp_path, tmp_path / "data", PARAMETERS)
        folder = out_of(template())
        with pytest.raises(CloudError, match="MailDomain has no value"):
            Cloud.start(folder, tmp_path / "data", {})
        with pytest.raises(CloudError, match="no parameter Colour"):
            Cloud.start(folder, tmp_path / "data", {**PARAMETERS, "Colour": "red"})

    def test_every_ignored_property_has_its_reason(self) -> None:
        for kind, decision in DECISIONS.items():
            assert all(decision.ignored.values()), kind
            assert not decision.made & decision.ignored.keys(), kind

    def test_the_packaged_template_is_decided_about(self) -> None:
        packaged = ROOT / "out" / "cfn.json"
        if packaged.exists():  # `make package` comes before the tests of the whole cloud
            check(json.loads(packaged.read_text()))


class TestResources:
    def test_are_what_the_template_says(self, cloud: Cloud) -> None:
        table = cloud.physical["Things"]
        dynamodb = cloud.client("dynamodb")
        described = dynamodb.describe_table(TableName=table)["Table"]
        assert described["DeletionProtectionEnabled"] is True
        assert [i["IndexName"] for i in described["GlobalSecondaryIndexes"]] == ["by-g"]
        ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        assert ttl["AttributeName"] == "purge_at"
        backups = dynamodb.describe_continuous_backups(TableName=table)
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
        versions = cloud.client("s3").get_bucket_versioning(Bucket=cloud.physical["Box"])
        assert versions["Status"] == "Enabled"
        attributes = cloud.client("sqs").get_queue_attributes(
            QueueUrl=cloud.physical["Line"], AttributeNames=["All"]
        )["Attributes"]
        assert attributes["FifoQueue"] == "true"
        assert attributes["VisibilityTimeout"] == "60"
        assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 2

    def test_names_say_the_stack_and_the_logical_id(self, cloud: Cloud) -> None:
        assert cloud.physical["Things"].startswith("cetrus-Things-")
        assert cloud.physical["Probe"].startswith("cetrus-Probe-")


class TestResolver:
    def resolver(self, **more: Any) -> Resolver:
        found = Resolver(
            {"Resources": {}, "Parameters": {"Stage": {"Default": "local"}}, **more},
            {},
            lambda name, attribute: f"{name}!{attribute}",
        )
        found.physical["Thing"] = "thing-1"
        return found

    @pytest.mark.parametrize(
        ("value", "result"),
        [
            ({"Ref": "Thing"}, "thing-1"),
            ({"Ref": "Stage"}, "local"),
            ({"Fn::GetAtt": ["Thing", "Arn"]}, "Thing!Arn"),
            ({"Fn::GetAtt": "Thing.Arn"}, "Thing!Arn"),
            (
                {"Fn::Sub": "${Thing}-${Thing.Arn}-${!Kept}-${AWS::Region}"},
                "thing-1-Thing!Arn-${Kept}-eu-west-1",
            ),
            ({"Fn::Sub": ["${A}", {"A": {"Ref": "Thing"}}]}, "thing-1"),
            ({"Fn::Join": ["-", ["a", {"Ref": "Thing"}]]}, "a-thing-1"),
            ({"Fn::If": ["IsLocal", "yes", "no"]}, "yes"),
            ({"Fn::Select": [1, ["a", "b"]]}, "b"),
            ({"a": {"Ref": "AWS::NoValue"}, "b": 1}, {"b": 1}),
            ([{"Ref": "AWS::NoValue"}, 1], [1]),
        ],
    )
    def test_works_functions_out(self, value: Any, result: Any) -> None:
        conditions = {"IsLocal": {"Fn::Equals": [{"Ref": "Stage"}, "local"]}}
        before = copy.deepcopy(value)
        assert self.resolver(Conditions=conditions).resolve(value) == result
        assert value == before

    def test_an_unknown_name_is_an_error(self) -> None:
        with pytest.raises(CloudError, match="Nothing"):
            self.resolver().resolve({"Ref": "Nothing"})

    def test_order_follows_references(self) -> None:
        resources: Json = {
            "A": {"Properties": {"x": {"Fn::Sub": "${B.Arn}"}}},
            "B": {"Properties": {}, "DependsOn": "C"},
            "C": {"Properties": {}},
        }
        assert ordered(resources) == ["C", "B", "A"]
