"""The blueprint whose views get a Request and may raise CetrusError."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from chalice import Blueprint

from chalicelib.core.errors import CetrusError, Unavailable
from chalicelib.edge import access
from chalicelib.edge.errors import answer_error
from chalicelib.edge.interest import interest_of
from chalicelib.edge.request import path_value, read_cookies, read_request
from chalicelib.edge.responses import see_other
from chalicelib.observability import count, failure
from chalicelib.privacy import practices
from chalicelib.storage import aws
from chalicelib.storage.dynamo import Contended

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalice.app import Response

    from chalicelib.edge.request import Request

    View = Callable[..., Response]

FORM = ("application/x-www-form-urlencoded",)
REFUSED = 400


class Edge(Blueprint):  # type: ignore[misc]  # Chalice publishes no types
    """Routes that are in the access table; a view is called with the request and path values."""

    def page(self, path: str) -> Callable[[View], View]:
        """GET and HEAD."""
        return self._view(path, ["GET", "HEAD"], None)

    def form(self, path: str) -> Callable[[View], View]:
        """POST of a browser's form."""
        return self._view(path, ["POST"], FORM)

    def call(
        self, method: str, path: str, *, content_types: tuple[str, ...] = ("application/json",)
    ) -> Callable[[View], View]:
        """One method for programs."""
        return self._view(path, [method], content_types)

    def _view(
        self, path: str, methods: list[str], content_types: tuple[str, ...] | None
    ) -> Callable[[View], View]:
        rule = access.rule_for(methods[0], path)
        practices.of_route(path)
        options: dict[str, Any] = {"methods": methods}
        if content_types:
            options["content_types"] = list(content_types)
        register = super().route(path, **options)

        def add(view: View) -> View:
            register(self._bounded(view, rule))
            return view

        return add

    def _bounded(self, view: View, rule: access.Rule) -> View:
        @functools.wraps(view)
        def answer(**raw: str) -> Response:
            current = self.current_request
            request = read_request(current.to_original_event(), current.raw_body)
            try:
                # Kept for the error pages too, which also say who is signed in.
                request = dataclasses.replace(request, caller=access.admit(rule, request))
                if rule is access.Rule.ANYONE:
                    request = with_interest(request)
                access.check_role(rule, request.caller)
                values = {name: path_value(value) for name, value in raw.items()}
                return noticed(request, view(request, **values))
            except access.SignInFirst as error:
                if request.wants_html:
                    return see_other(request, error.location)
                return answer_error(request, error)
            except CetrusError as error:
                count(f"refused_{error.status}")
                return answer_error(request, error)
            except Exception as error:  # noqa: BLE001 - the boundary: whatever it is, it is answered
                return answer_error(request, unexpected(request, error))

        return answer


def with_interest(request: Request) -> Request:
    """For a view that is not told who calls (PS-22)."""
    cookies = read_cookies(request.headers.get("cookie", ""))
    return dataclasses.replace(request, interest=interest_of(request.headers, cookies))


def unexpected(request: Request, error: Exception) -> CetrusError:
    """What is told of it, after it was logged: whatever may pass by itself is a 503, not a 500."""
    if isinstance(error, Contended):
        failure("contended", error, resource=request.resource)
        return Unavailable()
    if aws.passing(error):
        failure("service_busy", error, resource=request.resource)
        return Unavailable()
    failure("unhandled", error, resource=request.resource)
    return CetrusError()


def noticed(request: Request, answer: Response) -> Response:
    """The answer, after the visit of a page that names nothing was noted.

    Whatever names something makes the same calls whether that is there or not (G7). And what
    cannot be noted does not undo what was done.
    """
    names = "{" in request.resource or request.query or request.method != "GET"
    if request.caller is None or names or answer.status_code >= REFUSED:
        return answer
    try:
        access.notice(request)
    except Exception as error:  # noqa: BLE001 - the request itself has succeeded
        failure("not_noticed", error, resource=request.resource)
    return answer
