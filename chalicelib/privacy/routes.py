"""The pages of the privacy statement: what is promised, cookies, and how all is protected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.edge.cookies import COOKIES
from chalicelib.edge.pages import render
from chalicelib.edge.responses import html
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)


@routes.page("/privacy")
def show_privacy(request: Request) -> Response:
    """The statement in plain words; what is held comes from the policy in force itself."""
    from chalicelib.privacy.policies import FIELDS, RECIPIENTS
    from chalicelib.privacy.rules import policy as version

    policy = version(wiring.published().number())
    return html(
        render(
            request, "privacy/statement.html", policy=policy, fields=FIELDS, recipients=RECIPIENTS
        )
    )


@routes.page("/privacy/cookies")
def show_cookies(request: Request) -> Response:
    return html(render(request, "privacy/cookies.html", cookies=COOKIES))


@routes.page("/privacy/security")
def show_security(request: Request) -> Response:
    return html(render(request, "privacy/security.html"))
