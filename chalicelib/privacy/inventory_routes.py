"""What is stored of whom, for anybody to read by a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.edge.responses import as_json
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)


@routes.page("/privacy/inventory.json")
def show_inventory(request: Request) -> Response:  # noqa: ARG001 - a view is given its request
    """Every stored field, under the policy in force; the writers refuse any other (PS-02).

    StatementAltered where the words of the policy are not those that were published.
    """
    from chalicelib.privacy import statement
    from chalicelib.privacy.declaration import inventory
    from chalicelib.privacy.rules import policy

    text = statement.read(wiring.published().number())
    return as_json(inventory(policy(text.number)))
