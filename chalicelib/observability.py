"""Logger and metrics of every function.

Never logged: bodies, headers, cookies, query strings, tokens, addresses, personal data. Log lines
name things by their ids. `log_event` is forbidden (a test looks), because it prints all of them.
"""

from __future__ import annotations

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

logger = Logger()
metrics = Metrics()


def count(name: str, value: int = 1) -> None:
    """Add to a metric of this invocation."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
