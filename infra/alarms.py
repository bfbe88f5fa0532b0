"""An alarm for every function: it is there as soon as the function has a role."""

from __future__ import annotations

from typing import Any

# The routes' function is `APIHandler`, its role `ApiHandlerRole`: Chalice spells them so.
FUNCTION_OF = {"ApiHandler": "APIHandler"}


def of_functions(names: list[str]) -> dict[str, Any]:
    """One alarm per function: any error in five minutes is told to somebody."""
    return {f"{name}ErrorsAlarm": of_function(FUNCTION_OF.get(name, name)) for name in names}


def of_function(name: str) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": f"{name} failed.",
            "Namespace": "AWS/Lambda",
            "MetricName": "Errors",
            "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": name}}],
            "Statistic": "Sum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [{"Ref": "AlarmTopic"}],
        },
    }
