"""The proof pages: what the tests and the night found, section by section; and it all, signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.core.errors import NotFound
from chalicelib.edge.pages import render
from chalicelib.edge.responses import as_json, html
from chalicelib.edge.routes import Edge
from chalicelib.privacy import wiring as records

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request
    from chalicelib.privacy.proof import Part, Shown

routes = Edge(__name__)


@routes.page("/privacy/proof")
def show_proof(request: Request) -> Response:
    """How many promises of each section hold, the night's figures, the limits."""
    from chalicelib.privacy.proof import STALE

    board = records.proof_board()
    tests, night = board.tests(), board.night()
    return html(
        render(
            request, "privacy/proof.html", tests=tests, night=night, results=results_of(tests),
            other_code=of_other_code(tests), parts=parts_in_force(),
            late=night.of("at", wiring.now()) < wiring.now() - STALE,
        )
    )  # fmt: skip


@routes.page("/privacy/proof/{section}")
def show_section(request: Request, section: str) -> Response:
    """A section's sentences with what was found of each promise; NotFound for no section."""
    from chalicelib.privacy.promises import promises
    from chalicelib.privacy.routes import words

    part = parts_in_force().get(section)
    if part is None:
        raise NotFound
    tests = records.proof_board().tests()
    results = results_of(tests)
    return html(
        render(
            request, "privacy/proof_section.html", part=part, tests=tests,
            results={name: results[name] for name in part.promises if name in results},
            other_code=of_other_code(tests), promises=promises(), words=words(),
        )
    )  # fmt: skip


@routes.page("/privacy/proof.json")
def show_signed_proof(request: Request) -> Response:  # noqa: ARG001 - a view is given its request
    """Both documents as they were signed, and the key to check them with."""
    from chalicelib.privacy.proof import code_hash

    board = records.proof_board()
    return as_json(
        {
            "tests": board.tests().document,
            "night": board.night().document,
            "running_code": code_hash(),
            "public_key": wiring.seals().public_pem(),
        }
    )


def parts_in_force() -> dict[str, Part]:
    from chalicelib.privacy import statement
    from chalicelib.privacy.proof import parts

    return parts(statement.read(wiring.published().number()))


def of_other_code(tests: Shown) -> bool:
    """Whether the results are of another program than the one that answers here."""
    from chalicelib.privacy.proof import code_hash

    return bool(tests.of("code", code_hash()) != code_hash())


def results_of(tests: Shown) -> dict[str, dict[str, Any]]:
    """By promise, what the pages say of each."""
    return {promise["id"]: promise for promise in tests.of("promises", ())}
