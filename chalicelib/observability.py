"""Logger and metrics of every function.

Never logged: bodies, headers, cookies, query strings, tokens, addresses, personal data. Log lines
name things by their ids. `log_event` is forbidden (a test looks), because it prints all of them.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

if TYPE_CHECKING:
    from collections.abc import Callable

logger = Logger(service="cetrus")
# The dimension `service` comes from the environment, where it names the stage.
metrics = Metrics(namespace="Cetrus")


def count(name: str, value: int = 1) -> None:
    """Add to a metric of this invocation."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def observed(event: Any, get_response: Callable[[Any], Any]) -> Any:
    """The middleware of every function: its metrics go out, whatever became of it."""
    try:
        return get_response(event)
    finally:
        if metrics.metric_set:
            metrics.flush_metrics()


def failure(event: str, error: BaseException, /, **ids: str) -> None:
    """Log an unexpected error by its kind and frames, never by its text, which may quote data."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    logger.error(event, extra={"kind": type(error).__name__, "places": places, **ids})
    count(event)
