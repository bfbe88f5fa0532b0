"""What the controls work with, and how they read what was asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.local.processor.errors import ApiError, JsonObject, missing_param
from infra.local.processor.store import Store
from infra.local.processor.webhooks import Courier
from infra.local.processor.world import World


@dataclass(frozen=True, slots=True)
class Desk:
    """What the controls work with. `on_secrets` tells the merchant's side of a rotation."""

    store: Store
    courier: Courier
    base: str
    on_secrets: Callable[[list[JsonObject]], None]

    @property
    def world(self) -> World:
        return World(self.store, self.base)


def text(given: JsonObject, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise missing_param(name)
    return value


def number(given: JsonObject, name: str, default: float) -> float:
    value: Any = given.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ApiError(f"{name} is a number.", param=name) from None
