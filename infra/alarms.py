"""Alarms that stand for many: one for every function, and one for each trouble that we count.

Alarms on services (dead letters, the gateway, mail's reputation) stand in infra/resources.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# The routes' function is `APIHandler`, its role `ApiHandlerRole`: Chalice spells them so.
FUNCTION_OF = {"ApiHandler": "APIHandler"}
NAMESPACE = "Cetrus"
# Powertools adds it to each metric, from the environment; it tells stages of one account apart.
STAGE = {"Name": "service", "Value": {"Fn::Sub": "cetrus-${Stage}"}}


@dataclass(frozen=True, slots=True)
class Counted:
    """Speaks when the metrics together were counted more than `most` times within `seconds`."""

    name: str
    says: str
    metrics: tuple[str, ...]
    most: int = 0
    seconds: int = 300


COUNTED = (
    Counted("MailFailedAlarm", "A mail was given up.", ("mail_failed", "mail_unsendable")),
    # It passes by itself, and each retry is counted: only what goes on is worth waking somebody.
    Counted(
        "ProcessorUnavailableAlarm",
        "The card processor did not answer, again and again.",
        ("processor_unavailable",),
        most=5,
        seconds=900,
    ),
    # A few may be a person's own mistake; declined cards are not among them.
    Counted(
        "ProcessorRefusedAlarm",
        "The card processor refused requests of ours.",
        ("processor_refused",),
        most=3,
        seconds=900,
    ),
    # The sweep goes on past what fails, so its function's own alarm stays silent.
    Counted(
        "PaymentSweepFailuresAlarm",
        "A part of the payment sweep failed.",
        ("payment_sweep_list", "payment_sweep_event", "payment_sweep_order"),
        seconds=900,
    ),
    Counted(
        "RenewalFailuresAlarm",
        "The renewal of a subscription failed, and not for its card.",
        ("renewal_sweep",),
        seconds=900,
    ),
    Counted("RefundFailedAlarm", "A refund did not reach its card.", ("refund_failed",)),
    Counted(
        "WebhookUnmatchedAlarm",
        "An event of the processor was given up after 72 hours.",
        ("webhook_unmatched",),
    ),
    # Each run that is late counts once, every five minutes.
    Counted(
        "PlannerBehindAlarm",
        "Morning mail is late: the planner was cut short with people left whose morning it is.",
        ("planner_behind",),
        seconds=900,
    ),
    # The sweep counts it at each look, every ten minutes at the most.
    Counted(
        "ErasureLateAlarm",
        "Somebody's erasure is not finished a day after it was due.",
        ("erasure_late",),
        seconds=900,
    ),
    Counted(
        "PrivacyFindingsAlarm",
        "The nightly check found something that is not as the privacy statement says.",
        ("privacy_findings",),
    ),
    # Anybody may knock at the address; many in a row are a secret that does not fit any more.
    Counted(
        "WebhookRefusedAlarm",
        "Many events came without a good signature.",
        ("webhook_refused",),
        most=20,
        seconds=900,
    ),
)


def of_functions(names: list[str]) -> dict[str, Any]:
    """One alarm per function: any error in five minutes is told to somebody."""
    return {f"{name}ErrorsAlarm": of_function(FUNCTION_OF.get(name, name)) for name in names}


def of_function(name: str) -> dict[str, Any]:
    watched = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": name}}],
        "Statistic": "Sum",
        "Period": 300,
    }
    return alarm(f"{name} failed.", watched, most=0)


def of_metrics() -> dict[str, Any]:
    """One alarm for each trouble that we count."""
    return {one.name: alarm(one.says, watched(one), most=one.most) for one in COUNTED}


def watched(counted: Counted) -> dict[str, Any]:
    """One metric by itself, or several added up."""
    if len(counted.metrics) == 1:
        return {**metric(counted.metrics[0]), "Statistic": "Sum", "Period": counted.seconds}
    parts = [
        {
            "Id": f"m{number}",
            "ReturnData": False,
            "MetricStat": {"Metric": metric(name), "Stat": "Sum", "Period": counted.seconds},
        }
        for number, name in enumerate(counted.metrics)
    ]
    added = " + ".join(f"FILL({part['Id']}, 0)" for part in parts)
    return {"Metrics": [{"Id": "all", "Expression": added, "ReturnData": True}, *parts]}


def metric(name: str) -> dict[str, Any]:
    return {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": [STAGE]}


def alarm(says: str, watched: dict[str, Any], *, most: int) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": says,
            **watched,
            "EvaluationPeriods": 1,
            "Threshold": most,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [{"Ref": "AlarmTopic"}],
        },
    }
