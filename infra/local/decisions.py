"""What the local cloud does about each type and property of the template.

`made` names the properties that are carried out: by the call that creates the resource in moto, by
a call after it, or by our own engine. `ignored` says why a property needs nothing here. Anything
else stops the start with its name, so that the template cannot drift away from the local cloud:
whoever adds a property decides about it in this table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import CloudError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEMPLATE = "a template test holds it; nothing on one machine depends on it"
_NO_ALARMS = "no metrics are kept here; a template test holds it"
_NO_LOGS = "function output is kept by the engine and shown at /_local/logs"
_OWN_CALLS = "the engine itself starts functions; a template test holds it"
_ONE_MACHINE = "one machine has no fleet to limit or choose"


@dataclass(frozen=True, slots=True)
class Decision:
    made: frozenset[str]
    ignored: Mapping[str, str] = field(default_factory=dict)


def _decide(made: str = "", ignored: Mapping[str, str] | None = None) -> Decision:
    return Decision(frozenset(made.split()), ignored or {})


def _all_ignored(names: str, why: str) -> Decision:
    return Decision(frozenset(), dict.fromkeys(names.split(), why))


DECISIONS: Mapping[str, Decision] = {
    "AWS::DynamoDB::Table": _decide(
        "TableName AttributeDefinitions KeySchema BillingMode GlobalSecondaryIndexes "
        "DeletionProtectionEnabled TimeToLiveSpecification PointInTimeRecoverySpecification "
        "ResourcePolicy",
        {
            "SSESpecification": "moto keeps nothing encrypted; a template test holds it",
            "Tags": _TEMPLATE,
        },
    ),
    "AWS::S3::Bucket": _decide(
        "BucketName BucketEncryption LifecycleConfiguration OwnershipControls "
        "PublicAccessBlockConfiguration VersioningConfiguration CorsConfiguration "
        "NotificationConfiguration ObjectLockEnabled ObjectLockConfiguration",
        {"LoggingConfiguration": _TEMPLATE, "Tags": _TEMPLATE},
    ),
    "AWS::S3::BucketPolicy": _decide("Bucket PolicyDocument"),
    "AWS::SQS::Queue": _decide(
        "QueueName FifoQueue ContentBasedDeduplication VisibilityTimeout RedrivePolicy "
        "MessageRetentionPeriod DelaySeconds SqsManagedSseEnabled",
        {"RedriveAllowPolicy": _TEMPLATE, "Tags": _TEMPLATE},
    ),
    "AWS::SQS::QueuePolicy": _all_ignored("Queues PolicyDocument", _OWN_CALLS),
    "AWS::KMS::Key": _decide(
        "Description EnableKeyRotation KeyPolicy KeySpec KeyUsage",
        {"PendingWindowInDays": _TEMPLATE, "Tags": _TEMPLATE},
    ),
    "AWS::KMS::Alias": _decide("AliasName TargetKeyId"),
    "AWS::SSM::Parameter": _decide("Name Type Value", {"Description": _TEMPLATE}),
    "AWS::IAM::Role": _decide(
        "RoleName AssumeRolePolicyDocument Policies",
        {"ManagedPolicyArns": "refused for the role of a function", "Tags": _TEMPLATE},
    ),
    "AWS::Lambda::Function": _decide(
        "FunctionName Code Environment Handler MemorySize Role Timeout",
        {
            "Architectures": _ONE_MACHINE,
            "Runtime": "the interpreter that runs the local cloud, CPython 3.11 to 3.13",
            "Tags": _TEMPLATE,
            "TracingConfig": "tracing is switched off here",
            "ReservedConcurrentExecutions": _ONE_MACHINE,
            "Description": _TEMPLATE,
        },
    ),
    "AWS::Lambda::Permission": _all_ignored(
        "Action FunctionName Principal SourceAccount SourceArn", _OWN_CALLS
    ),
    "AWS::Lambda::EventSourceMapping": _decide(
        "BatchSize EventSourceArn FunctionName FunctionResponseTypes",
        {
            "MaximumBatchingWindowInSeconds": "batches are taken at once",
            "ScalingConfig": _ONE_MACHINE,
        },
    ),
    "AWS::Events::Rule": _decide(
        "Name ScheduleExpression State Targets", {"Description": _TEMPLATE}
    ),
    "AWS::Scheduler::Schedule": _decide(
        "Name ScheduleExpression State Target",
        {"FlexibleTimeWindow": "schedules fire on time here", "Description": _TEMPLATE},
    ),
    "AWS::SES::EmailIdentity": _decide(
        "EmailIdentity",
        {
            "DkimSigningAttributes": "no mail leaves this machine",
            "FeedbackAttributes": "no mail leaves this machine",
            "MailFromAttributes": "no mail leaves this machine",
        },
    ),
    "AWS::SES::ConfigurationSet": _decide(
        "Name",
        {
            "DeliveryOptions": "no mail leaves this machine",
            "SuppressionOptions": "our own suppressions decide, and they are carried out",
            "ReputationOptions": _NO_ALARMS,
        },
    ),
    "AWS::SES::ReceiptRuleSet": _decide("RuleSetName"),
    "AWS::SES::ReceiptRule": _decide("Rule RuleSetName"),
    "AWS::ApiGateway::RestApi": _decide(
        "Name Body",
        {
            "Parameters": _TEMPLATE,
            "EndpointConfiguration": _TEMPLATE,
            "EndpointAccessMode": "plain HTTP on this machine",
            "SecurityPolicy": "plain HTTP on this machine",
        },
    ),
    "AWS::ApiGateway::Deployment": _all_ignored(
        "Description RestApiId StageName", "the gateway serves the Body as it stands"
    ),
    "AWS::ApiGateway::Stage": _decide(
        "StageName RestApiId DeploymentId",
        {
            "AccessLogSetting": "the gateway writes no access log",
            "MethodSettings": "limits of the local gateway are stated in the seed",
        },
    ),
    "AWS::ApiGateway::Account": _all_ignored("CloudWatchRoleArn", _NO_LOGS),
    "AWS::Logs::LogGroup": _all_ignored("LogGroupName RetentionInDays KmsKeyId", _NO_LOGS),
    "AWS::CloudWatch::Alarm": _all_ignored(
        "AlarmName AlarmActions AlarmDescription ComparisonOperator DatapointsToAlarm Dimensions "
        "EvaluationPeriods MetricName Metrics Namespace OKActions Period Statistic Threshold "
        "TreatMissingData",
        _NO_ALARMS,
    ),
    "AWS::CloudWatch::Dashboard": _all_ignored("DashboardName DashboardBody", _NO_ALARMS),
    "AWS::Logs::MetricFilter": _all_ignored(
        "LogGroupName FilterPattern MetricTransformations", _NO_ALARMS
    ),
    "AWS::SES::ConfigurationSetEventDestination": _decide("ConfigurationSetName EventDestination"),
    "AWS::SNS::Topic": _all_ignored("TopicName Subscription KmsMasterKeyId", _NO_ALARMS),
    "AWS::SNS::Subscription": _decide("TopicArn Protocol Endpoint RawMessageDelivery"),
    "AWS::SNS::TopicPolicy": _all_ignored("PolicyDocument Topics", _NO_ALARMS),
}

_RESOURCE = {
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Metadata",
}
_TOP = {
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Conditions",
    "Mappings",
    "Resources",
    "Outputs",
}


def check(template: Mapping[str, Any]) -> None:
    """Raise CloudError for the first thing in the template that nobody decided about."""
    _refuse(set(template) - _TOP, "the template's section")
    for name, resource in template["Resources"].items():
        kind = resource["Type"]
        _refuse(set(resource) - _RESOURCE, f"{name}: the attribute")
        decision = DECISIONS.get(kind)
        if decision is None:
            raise CloudError(_undecided(f"{name}: the type {kind}"))
        known = decision.made | decision.ignored.keys()
        _refuse(set(resource.get("Properties", {})) - known, f"{name}: the property {kind}")


def _refuse(unknown: set[str], where: str) -> None:
    if unknown:
        mark = "." if "property" in where else " "
        raise CloudError(_undecided(f"{where}{mark}{min(unknown)}"))


def _undecided(what: str) -> str:
    return f"{what} is not decided about: see infra/local/decisions.py"
