"""What the engine itself carries out of the template: functions, sources, schedules, rights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .iam import Statement
    from .runtime import FunctionSpec


@dataclass(frozen=True, slots=True)
class QueueSource:
    """Messages of a queue go to a function in batches."""

    queue: str
    function: str
    batch_size: int
    partial: bool


@dataclass(frozen=True, slots=True)
class BucketSource:
    """Objects created or removed in a bucket start a function."""

    bucket: str
    function: str
    event: str
    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A schedule and what it starts: a function, or a message to a queue."""

    name: str
    expression: str
    function: str | None
    queue: str | None
    input: str | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is published on a topic goes into a queue, as it is."""

    topic: str
    queue: str


@dataclass(slots=True)
class Plan:
    """What the engine itself carries out of the template."""

    functions: dict[str, FunctionSpec] = field(default_factory=dict)
    policies: dict[str, list[Statement]] = field(default_factory=dict)
    denials: dict[str, list[Statement]] = field(default_factory=dict)
    queues: list[QueueSource] = field(default_factory=list)
    buckets: list[BucketSource] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    inbound: tuple[str, str] | None = None
    feedback: dict[str, list[str]] = field(default_factory=dict)
    """Topics by event of the mail service, such as `bounce`."""
    subscriptions: list[Subscription] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
