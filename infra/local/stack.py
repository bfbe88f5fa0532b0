"""Creates the template's resources in moto, each by the service's own API, in dependency order.

moto's CloudFormation drops properties and types without a word, gives random names and notices no
circle; here every property has been decided about, names derive from the data folder, and a circle
stops the start.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .buckets import bucket_calls
from .decisions import check
from .errors import CloudError
from .expressions import parse as parse_schedule
from .iam import parse
from .names import ACCOUNT, REGION, STACK, arn, derived, derived_uuid, function_name
from .plan import BucketSource, Plan, QueueSource, Rule, Subscription
from .runtime import FunctionSpec
from .template import Resolver, ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Json = dict[str, Any]


class Stack:
    """`client(service)` is the operator's; `seed` makes names that are the same after a restart."""

    def __init__(
        self,
        template: Json,
        parameters: Mapping[str, str],
        seed: str,
        client: Callable[[str], Any],
    ) -> None:
        check(template)
        self.template, self.plan = template, Plan()
        self.resolver = Resolver(template, parameters, self.attribute)
        self.physical = self.resolver.physical
        self._seed, self._client = seed, client

    def create(self) -> Plan:
        """Create all; raises CloudError naming the resource that the cloud refused."""
        from botocore.exceptions import BotoCoreError, ClientError

        for name in ordered(self.template["Resources"]):
            if not self.resolver.wanted(name):
                continue
            resource = self.template["Resources"][name]
            try:
                self._create(name, resource)
            except (BotoCoreError, ClientError, KeyError, TypeError) as error:
                text = " ".join(str(error).split())
                raise CloudError(f"{name} ({resource['Type']}) was refused: {text}") from error
        return self.plan

    def _create(self, name: str, resource: Json) -> None:
        kind = resource["Type"].removeprefix("AWS::")
        raw = resource.get("Properties", {})
        makers: dict[str, Callable[[str, Json], str]] = {
            "DynamoDB::Table": self._table,
            "S3::Bucket": self._bucket,
            "S3::BucketPolicy": self._bucket_policy,
            "SQS::Queue": self._queue,
            "KMS::Key": self._key,
            "KMS::Alias": self._alias,
            "SSM::Parameter": self._parameter,
            "IAM::Role": self._role,
            "Lambda::Function": self._function,
            "Lambda::EventSourceMapping": self._source,
            "Events::Rule": self._rule,
            "Scheduler::Schedule": self._schedule,
            "SES::EmailIdentity": self._identity,
            "SES::ConfigurationSet": self._configuration_set,
            "SES::ReceiptRuleSet": self._rule_set,
            "SES::ReceiptRule": self._receipt_rule,
            "ApiGateway::RestApi": self._api,
            "ApiGateway::Stage": lambda _, p: str(p["StageName"]),
            "SES::ConfigurationSetEventDestination": self._event_destination,
            "SNS::Subscription": self._subscription,
            "SNS::Topic": lambda n, p: arn("sns", p.get("TopicName") or self._named(n)),
            "Logs::LogGroup": lambda n, p: str(p.get("LogGroupName") or self._named(n)),
        }
        maker = makers.get(kind, self._nothing)
        if kind == "ApiGateway::RestApi":
            raw = {key: value for key, value in raw.items() if key != "Body"}
        self.physical[name] = maker(name, self.resolver.resolve(raw))

    def _nothing(self, name: str, _: Json) -> str:
        """For a type that needs nothing here; others refer to its name."""
        return self._named(name)

    def _named(self, name: str) -> str:
        return f"{STACK}-{name}-{derived(self._seed, name)}"

    def attribute(self, name: str, attribute: str) -> str:
        """What GetAtt gives; raises CloudError for an attribute nobody needed so far."""
        if name not in self.physical:
            raise CloudError(f"the template asks for {name}.{attribute}, which is not there")
        kind, physical = self.template["Resources"][name]["Type"], self.physical[name]
        last = physical.rsplit("/", 1)[-1]
        known = {
            ("AWS::DynamoDB::Table", "Arn"): arn("dynamodb", f"table/{physical}"),
            ("AWS::S3::Bucket", "Arn"): f"arn:aws:s3:::{physical}",
            ("AWS::SQS::Queue", "Arn"): arn("sqs", last),
            ("AWS::SQS::Queue", "QueueName"): last,
            ("AWS::SQS::Queue", "QueueUrl"): physical,
            ("AWS::KMS::Key", "Arn"): arn("kms", f"key/{physical}"),
            ("AWS::KMS::Key", "KeyId"): physical,
            ("AWS::IAM::Role", "Arn"): arn("iam", f"role/{physical}", region=""),
            ("AWS::Lambda::Function", "Arn"): arn("lambda", f"function:{physical}"),
            ("AWS::Events::Rule", "Arn"): arn("events", f"rule/{physical}"),
            ("AWS::Logs::LogGroup", "Arn"): arn("logs", f"log-group:{physical}:*"),
            ("AWS::SNS::Topic", "TopicArn"): physical,
            ("AWS::ApiGateway::RestApi", "RootResourceId"): "root",
        }
        if (kind, attribute) not in known:
            raise CloudError(f"the local cloud does not know {name}.{attribute} of {kind}")
        return known[kind, attribute]

    def outputs(self) -> dict[str, str]:
        return {
            name: str(self.resolver.resolve(entry["Value"]))
            for name, entry in self.template.get("Outputs", {}).items()
        }

    # tables, buckets, queues, keys, parameters ---------------------------------------------------

    def _table(self, name: str, given: Json) -> str:
        table = str(given.get("TableName") or self._named(name))
        dynamodb = self._client("dynamodb")
        straight = (
            "AttributeDefinitions",
            "KeySchema",
            "BillingMode",
            "GlobalSecondaryIndexes",
            "DeletionProtectionEnabled",
        )
        dynamodb.create_table(TableName=table, **{k: given[k] for k in straight if k in given})
        if "TimeToLiveSpecification" in given:
            dynamodb.update_time_to_live(
                TableName=table, TimeToLiveSpecification=given["TimeToLiveSpecification"]
            )
        if "PointInTimeRecoverySpecification" in given:
            dynamodb.update_continuous_backups(
                TableName=table,
                PointInTimeRecoverySpecification=given["PointInTimeRecoverySpecification"],
            )
        if "ResourcePolicy" in given:
            owner = arn("dynamodb", f"table/{table}")
            self._deny(name, owner, given["ResourcePolicy"]["PolicyDocument"])
        return table

    def _bucket(self, name: str, given: Json) -> str:
        bucket = str(given.get("BucketName") or self._named(name)).lower()
        s3 = self._client("s3")
        s3.create_bucket(
            Bucket=bucket,
            CreateBucketConfiguration={"LocationConstraint": REGION},
            ObjectLockEnabledForBucket=bool(given.get("ObjectLockEnabled")),
        )
        for prop, method, argument, value in bucket_calls(given):
            if prop in given:
                getattr(s3, method)(Bucket=bucket, **{argument: value})
        self._notify(name, bucket, given.get("NotificationConfiguration", {}))
        return bucket

    def _notify(self, name: str, bucket: str, given: Json) -> None:
        for other in given.keys() - {"LambdaConfigurations"}:
            raise CloudError(f"{name}: notifications by {other} are not served here")
        for entry in given.get("LambdaConfigurations", []):
            rules = entry.get("Filter", {}).get("S3Key", {}).get("Rules", [])
            named = {rule["Name"].lower(): rule["Value"] for rule in rules}
            source = BucketSource(
                bucket,
                self._function_of(entry["Function"]),
                entry["Event"],
                named.get("prefix", ""),
                named.get("suffix", ""),
            )
            self.plan.buckets.append(source)

    def _bucket_policy(self, name: str, given: Json) -> str:
        self._deny(name, f"arn:aws:s3:::{given['Bucket']}", given["PolicyDocument"])
        return self._named(name)

    def _deny(self, name: str, owner: str, document: Json) -> None:
        """Keep what a resource policy refuses; what it allows, roles here need from their own."""
        refusals = [entry for entry in document["Statement"] if entry["Effect"] == "Deny"]
        for entry in refusals:
            if entry.get("Principal") not in ("*", {"AWS": "*"}):
                raise CloudError(f"{name}: a Deny for one principal alone is not judged here")
        bare = [{k: v for k, v in entry.items() if k != "Principal"} for entry in refusals]
        self.plan.denials.setdefault(owner, []).extend(parse({"Statement": bare}, name))

    def _queue(self, name: str, given: Json) -> str:
        fifo = str(given.get("FifoQueue", False)).lower() == "true"
        queue = str(given.get("QueueName") or self._named(name) + (".fifo" if fifo else ""))
        attributes = {
            key: json.dumps(value) if isinstance(value, (dict, bool)) else str(value)
            for key, value in given.items()
            if key != "QueueName"
        }
        self._client("sqs").create_queue(QueueName=queue, Attributes=attributes)
        return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{queue}"

    def _key(self, name: str, given: Json) -> str:
        from moto.kms.models import kms_backends

        kms = self._client("kms")
        asked = {name: given[name] for name in ("KeySpec", "KeyUsage") if name in given}
        made = kms.create_key(Description=given.get("Description", ""), **asked)
        backend, key_id = kms_backends[ACCOUNT][REGION], derived_uuid(self._seed, name)
        key = backend.keys.pop(made["KeyMetadata"]["KeyId"])
        key.id, key.arn = key_id, arn("kms", f"key/{key_id}")
        backend.keys[key_id] = key
        if given.get("EnableKeyRotation"):
            kms.enable_key_rotation(KeyId=key_id)
        self.plan.keys[name] = key_id
        self._deny(name, key.arn, given["KeyPolicy"])
        return key_id

    def _alias(self, _: str, given: Json) -> str:
        self._client("kms").create_alias(**given)
        return str(given["AliasName"])

    def _parameter(self, name: str, given: Json) -> str:
        parameter = str(given.get("Name") or self._named(name))
        kind, value = given["Type"], str(given["Value"])
        self._client("ssm").put_parameter(Name=parameter, Type=kind, Value=value, Overwrite=True)
        return parameter

    # roles and functions -------------------------------------------------------------------------

    def _role(self, name: str, given: Json) -> str:
        role = str(given.get("RoleName") or self._named(name))
        self.plan.policies[role] = [
            statement
            for policy in given.get("Policies", [])
            for statement in parse(policy["PolicyDocument"], f"{name}, {policy['PolicyName']}")
        ]
        return role

    def _function(self, name: str, given: Json) -> str:
        physical = str(given.get("FunctionName") or self._named(name))
        role = str(given["Role"]).rsplit("/", 1)[-1]
        logical = next(key for key, value in self.physical.items() if value == role)
        role_given = self.template["Resources"][logical]["Properties"]
        if role_given.get("ManagedPolicyArns"):
            raise CloudError(
                f"{logical}: managed policies of a function's role are not judged here"
            )
        if not _trusts(role_given["AssumeRolePolicyDocument"], "lambda.amazonaws.com"):
            raise CloudError(f"{logical}: Lambda may not assume it, so {name} would not start")
        spec = FunctionSpec(
            function_name(name),
            physical,
            name,
            given["Handler"],
            role,
            int(given.get("Timeout", 3)),
            int(given.get("MemorySize", 128)),
            {k: str(v) for k, v in given.get("Environment", {}).get("Variables", {}).items()},
        )
        self.plan.functions[spec.name] = spec
        return physical

    def _function_of(self, reference: str) -> str:
        """The function that an ARN or a physical name means."""
        physical = reference.rsplit(":", 1)[-1]
        for spec in self.plan.functions.values():
            if spec.physical == physical:
                return spec.name
        raise CloudError(f"the template starts {reference}, which is no function of it")

    def _source(self, name: str, given: Json) -> str:
        source = given["EventSourceArn"]
        if ":sqs:" not in source:
            raise CloudError(f"{name}: events from {source.split(':')[2]} are not served here")
        unknown = set(given.get("FunctionResponseTypes", [])) - {"ReportBatchItemFailures"}
        if unknown:
            raise CloudError(f"{name}: the response type {unknown.pop()} is not served here")
        self.plan.queues.append(
            QueueSource(
                source.rsplit(":", 1)[-1],
                self._function_of(given["FunctionName"]),
                min(int(given.get("BatchSize", 10)), 10),
                bool(given.get("FunctionResponseTypes")),
            )
        )
        return derived_uuid(self._seed, name)

    # schedules and mail --------------------------------------------------------------------------

    def _rule(self, name: str, given: Json) -> str:
        physical = str(given.get("Name") or self._named(name))
        for target in given["Targets"]:
            unknown = target.keys() - {"Arn", "Id", "Input"}
            if unknown:
                raise CloudError(f"{name}: a target's {unknown.pop()} is not served here")
            self._due(physical, given, target)
        return physical

    def _schedule(self, name: str, given: Json) -> str:
        physical = str(given.get("Name") or self._named(name))
        self._due(physical, given, given["Target"])
        return physical

    def _due(self, name: str, given: Json, target: Json) -> None:
        if given.get("State", "ENABLED") == "DISABLED":
            return
        parse_schedule(given["ScheduleExpression"])
        reference, queue = target["Arn"], ":sqs:" in target["Arn"]
        self.plan.rules.append(
            Rule(
                name,
                given["ScheduleExpression"],
                None if queue else self._function_of(reference),
                reference.rsplit(":", 1)[-1] if queue else None,
                target.get("Input"),
            )
        )

    def _identity(self, _: str, given: Json) -> str:
        from moto.sesv2.models import sesv2_backends

        mail = sesv2_backends[ACCOUNT][REGION]
        mail.create_email_identity(given["EmailIdentity"], [], None, None)
        return str(given["EmailIdentity"])

    def _configuration_set(self, name: str, given: Json) -> str:
        configuration = str(given.get("Name") or self._named(name))
        from moto.sesv2.models import sesv2_backends

        mail = sesv2_backends[ACCOUNT][REGION]
        mail.create_configuration_set(configuration, {}, {}, {}, {}, [], {}, {})
        return configuration

    def _event_destination(self, name: str, given: Json) -> str:
        told = given["EventDestination"]
        unknown = told.keys() - {"Name", "Enabled", "MatchingEventTypes", "SnsDestination"}
        if unknown or "SnsDestination" not in told:
            raise CloudError(f"{name}: events go to a topic alone here")
        for event in told["MatchingEventTypes"]:
            topics = self.plan.feedback.setdefault(event.lower(), [])
            topics.append(told["SnsDestination"]["TopicARN"])
        return self._named(name)

    def _subscription(self, name: str, given: Json) -> str:
        raw = str(given.get("RawMessageDelivery", False)).lower() == "true"
        if given["Protocol"] != "sqs" or not raw:
            raise CloudError(f"{name}: messages go to a queue as they are, or nowhere, here")
        queue = given["Endpoint"].rsplit(":", 1)[-1]
        self.plan.subscriptions.append(Subscription(given["TopicArn"], queue))
        return self._named(name)

    def _rule_set(self, name: str, given: Json) -> str:
        return str(given.get("RuleSetName") or self._named(name))

    def _receipt_rule(self, name: str, given: Json) -> str:
        for action in given["Rule"]["Actions"]:
            if set(action) != {"S3Action"}:
                raise CloudError(f"{name}: {', '.join(action)} is not served here")
            wanted = action["S3Action"]
            self.plan.inbound = wanted["BucketName"], wanted.get("ObjectKeyPrefix", "")
        return str(given["Rule"].get("Name") or self._named(name))

    def _api(self, name: str, _: Json) -> str:
        return derived(self._seed, name, length=10).lower()


def _trusts(document: Json, service: str) -> bool:
    """Whether a role lets a service of AWS act in it."""
    return any(
        entry["Effect"] == "Allow"
        and entry["Action"] == "sts:AssumeRole"
        and entry["Principal"].get("Service") == service
        for entry in document["Statement"]
    )
