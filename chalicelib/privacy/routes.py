"""The pages of the privacy statement: each version, what it changed, and how all is protected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.errors import NotFound
from chalicelib.edge import hosts
from chalicelib.edge.pages import render
from chalicelib.edge.responses import html
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)


@routes.page("/privacy")
def show_privacy(request: Request) -> Response:
    """The statement in force; StatementAltered where its text is not what was published."""
    return show_statement(request, wiring.published().number())


@routes.page("/privacy/v/{number}")
def show_version(request: Request, number: str) -> Response:
    """Any version, also one that is prepared and binds nobody yet, which it says."""
    return show_statement(request, version_of(number))


@routes.page("/privacy/v/{number}/uses")
def show_uses(request: Request, number: str) -> Response:
    """What each use of the version opens, for whom and for how long; StatementAltered likewise."""
    from chalicelib.privacy import policies, statement
    from chalicelib.privacy.rules import policy

    version = statement.read(version_of(number)).number
    return html(
        render(
            request, "privacy/uses.html", number=version, state=states()[version],
            policy=policy(version), fields=policies.FIELDS, recipients=policies.RECIPIENTS,
        )
    )  # fmt: skip


@routes.page("/privacy/v/{number}/changes")
def show_changes(request: Request, number: str) -> Response:
    """What the version says otherwise than the one before it, in words."""
    from chalicelib.privacy import changes, statement
    from chalicelib.privacy.rules import policy

    after, state = version_of(number), states()
    text, uses = None, list[changes.Difference]()
    if after > 1:
        text = statement.differences(after - 1, after)
        uses = changes.differences(policy(after - 1), policy(after))
    return html(
        render(
            request, "privacy/changes.html", number=after, state=state[after], text=text,
            uses=uses, words=words(),
        )
    )  # fmt: skip


@routes.page("/privacy/cookies/reading")
def show_reading(request: Request) -> Response:
    """The decision on three sentences about cookies that pull apart (PS-24)."""
    return html(render(request, "privacy/reading.html"))


@routes.page("/privacy/security")
def show_security(request: Request) -> Response:
    """From the catalog of precautions and the facts of the template."""
    from chalicelib.privacy.precautions import precautions

    return html(render(request, "privacy/security.html", precautions=precautions()))


def show_statement(request: Request, number: int) -> Response:
    from chalicelib.privacy import statement
    from chalicelib.privacy.rules import policy

    text, state = statement.read(number), states()
    return html(
        render(
            request, "privacy/statement.html", statement=text, policy=policy(number),
            state=state[number], states=state, words=words(),
        )
    )  # fmt: skip


def version_of(number: str) -> int:
    """NotFound for what is no version."""
    from chalicelib.privacy import policies

    if not number.isascii() or not number.isdigit() or number.startswith("0"):
        raise NotFound
    if int(number) not in policies.VERSIONS:
        raise NotFound
    return int(number)


def states() -> dict[int, tuple[str, int | None]]:
    """Each version with what it is now (`earlier`, `in force`, `prepared`) and since when.

    StatementAltered where a version was published under another id than its content now has.
    """
    from chalicelib.privacy import policies, statement
    from chalicelib.privacy.rules import policy

    in_force, since = wiring.published().number(), dict[int, int]()
    for publication in wiring.published().history():
        since[publication.number] = publication.at
        known = publication.number in policies.VERSIONS
        if known and policy(publication.number).id != publication.id:
            raise statement.StatementAltered
    return {number: (state_of(number, in_force), since.get(number)) for number in policies.VERSIONS}


def state_of(number: int, in_force: int) -> str:
    if number == in_force:
        return "in force"
    return "earlier" if number < in_force else "prepared"


def words() -> dict[str, str]:
    """What the sentences leave to be filled in."""
    from chalicelib.edge.pages import support_address

    address = support_address()
    return {"host": hosts.ours()[0], "support": f"[{address}](mailto:{address})"}
