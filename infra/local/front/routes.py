"""The resources of a REST API, read from the Swagger body of the packaged template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY = "x-amazon-apigateway-any-method"


class UnknownSwagger(Exception):
    """The template's Swagger asks for something this gateway does not do."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One path of the API, such as `/orders/{id}`, with the methods it takes."""

    path: str
    methods: frozenset[str]
    pattern: re.Pattern[str]
    rank: tuple[int, ...]

    def takes(self, method: str) -> bool:
        return method in self.methods or "ANY" in self.methods


@dataclass(frozen=True, slots=True)
class Match:
    resource: Resource
    parameters: dict[str, str]


class RouteTable:
    """Finds the resource of a path: by segment, a literal beats `{x}` and `{x}` beats `{x+}`."""

    def __init__(self, swagger: Mapping[str, Any]) -> None:
        resources = [_resource(path, item) for path, item in swagger["paths"].items()]
        self.resources = sorted(resources, key=lambda r: (r.rank, r.path))

    def find(self, method: str, path: str) -> Match | None:
        """Return the resource that serves a raw path, or None if it or its method is unknown.

        The best matching resource alone decides: another that also has the method is not tried.
        """
        bare = path.rstrip("/") or "/"
        for resource in self.resources:
            if found := resource.pattern.fullmatch(bare):
                if not resource.takes(method):
                    return None
                names = found.groupdict()
                return Match(resource, {name: unquote(value) for name, value in names.items()})
        return None


def _resource(path: str, item: Mapping[str, Any]) -> Resource:
    methods = {"ANY" if name == ANY else name.upper() for name in item if _is_method(name)}
    for name in item:
        if _is_method(name) and item[name].get("security"):
            raise UnknownSwagger(f"{name.upper()} {path} has an authorizer: none is known here")
    segments = path.strip("/").split("/")
    pattern = "/" + "/".join(_segment_pattern(segment) for segment in segments)
    rank = tuple(_segment_rank(segment) for segment in segments)
    return Resource(path, frozenset(methods), re.compile(pattern), rank)


def _is_method(name: str) -> bool:
    return name == ANY or (not name.startswith("x-") and name != "parameters")


def _segment_pattern(segment: str) -> str:
    if not segment.startswith("{"):
        return re.escape(segment)
    name = segment.strip("{}")
    return f"(?P<{name[:-1]}>.+)" if name.endswith("+") else f"(?P<{name}>[^/]+)"


def _segment_rank(segment: str) -> int:
    if not segment.startswith("{"):
        return 0
    return 2 if segment.endswith("+}") else 1
