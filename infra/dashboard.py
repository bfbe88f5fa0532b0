"""The dashboard of one stage: what people meet, what waits, what fails, and what it costs.

It shows counts, ages and durations. None of them is of a person or an account.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from infra.alarms import FUNCTION_OF, NAMESPACE

REGION = "${AWS::Region}"
SERVICE = ["service", "cetrus-${Stage}"]
WIDTH, HEIGHT, COLUMNS = 12, 6, 2
MINUTE = 60

Metric = list[Any]
Resources = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    metrics: list[Metric]
    stat: str = "Sum"
    period: int = 5 * MINUTE


def charts(functions: list[str], resources: Resources) -> list[Chart]:
    """What is shown, in reading order; everything by its name in the template."""
    names = [f"${{{FUNCTION_OF.get(name, name)}}}" for name in functions]
    waiting, dead = queues_of(resources)
    kept = of_type(resources, "AWS::DynamoDB::Table")
    return [
        Chart("Requests and errors at the gateway", gateway("Count", "4XXError", "5XXError")),
        Chart("Slowest answers in a hundred (ms)", gateway("Latency", "IntegrationLatency"), "p99"),
        Chart("Errors of functions", lambdas("Errors", names)),
        Chart("Executions at once", lambdas("ConcurrentExecutions", names), "Maximum"),
        Chart("Turned away for too many at once", lambdas("Throttles", names)),
        Chart("Longest run (ms)", lambdas("Duration", names), "Maximum"),
        Chart("What waits", queues("ApproximateNumberOfMessagesVisible", waiting), "Maximum"),
        Chart("Dead letters", queues("ApproximateNumberOfMessagesVisible", dead), "Maximum"),
        Chart("Units read and written", [*tables("ConsumedReadCapacityUnits", kept),
                                         *tables("ConsumedWriteCapacityUnits", kept)]),
        Chart("Requests that tables throttled", [*tables("ReadThrottleEvents", kept),
                                                 *tables("WriteThrottleEvents", kept)]),
        Chart("Mail", own("mail_sent", "mail_error", "mail_failed", "mail_refused")),
        Chart("Card processor", own("webhook_received", "webhook_refused", "processor_unavailable",
                                    "processor_refused")),
    ]  # fmt: skip


def of_type(resources: Resources, kind: str) -> list[str]:
    """Names of the template's resources of one kind, in its order."""
    return [name for name, made in resources.items() if made.get("Type") == kind]


def queues_of(resources: Resources) -> tuple[list[str], list[str]]:
    """Those that are worked on, and those that take what the others give up."""
    found = of_type(resources, "AWS::SQS::Queue")
    waiting = [name for name in found if "RedrivePolicy" in resources[name].get("Properties", {})]
    return waiting, [name for name in found if name not in waiting]


def gateway(*names: str) -> list[Metric]:
    where = ["ApiName", "cetrus-${Stage}", "Stage", "api"]
    return [["AWS/ApiGateway", name, *where] for name in names]


def lambdas(name: str, functions: list[str]) -> list[Metric]:
    return [["AWS/Lambda", name, "FunctionName", function] for function in functions]


def queues(name: str, logical: list[str]) -> list[Metric]:
    return [["AWS/SQS", name, "QueueName", f"${{{queue}.QueueName}}"] for queue in logical]


def tables(name: str, logical: list[str]) -> list[Metric]:
    return [["AWS/DynamoDB", name, "TableName", f"${{{table}}}"] for table in logical]


def own(*names: str) -> list[Metric]:
    return [[NAMESPACE, name, *SERVICE] for name in names]


def of_template(functions: list[str], resources: Resources) -> dict[str, Any]:
    """The dashboard as a resource of the template whose other resources these are."""
    widgets = [widget(chart, at) for at, chart in enumerate(charts(functions, resources))]
    body = json.dumps({"widgets": widgets}, separators=(",", ":"))
    return {
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {
                "DashboardName": {"Fn::Sub": "cetrus-${Stage}"},
                "DashboardBody": {"Fn::Sub": body},
            },
        }
    }


def widget(chart: Chart, at: int) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": at % COLUMNS * WIDTH,
        "y": at // COLUMNS * HEIGHT,
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {
            "title": chart.title,
            "view": "timeSeries",
            "region": REGION,
            "stat": chart.stat,
            "period": chart.period,
            "metrics": chart.metrics,
        },
    }
