"""The proof page: what the tests and the night found, sentence by sentence; and it all, signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.edge.pages import render
from chalicelib.edge.responses import as_json, html
from chalicelib.edge.routes import Edge
from chalicelib.privacy import wiring as records

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)


@routes.page("/privacy/proof")
def show_proof(request: Request) -> Response:
    """Each sentence with its promises and their last results, the night's figures, the limits."""
    from chalicelib.privacy import statement
    from chalicelib.privacy.promises import promises
    from chalicelib.privacy.proof import STALE, code_hash
    from chalicelib.privacy.routes import words

    board = records.proof_board()
    tests, night = board.tests(), board.night()
    return html(
        render(
            request, "privacy/proof.html", tests=tests, night=night, results=results_of(tests.body),
            promises=promises(),
            other_code=tests.of("code", code_hash()) != code_hash(),
            late=night.of("at", wiring.now()) < wiring.now() - STALE,
            statement=statement.read(wiring.published().number()), words=words(),
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


def results_of(body: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """By promise, what the page says of each."""
    return {promise["id"]: promise for promise in body["promises"]} if body else {}
