"""An application's page: what it costs, what some use would cost, and one order form a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.catalog import costs
from chalicelib.catalog.rules import SUBSCRIPTION, TRIAL
from chalicelib.core.errors import InvalidInput
from chalicelib.core.ids import new_token
from chalicelib.edge.forms import Filled, form_again, form_page
from chalicelib.edge.interest import about

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.core.errors import CetrusError
    from chalicelib.edge.request import Request

PAGE = "catalog/application.html"
LONGEST = 20  # characters of a number that are shown again


def application_page(request: Request, slug: str) -> Response:
    """The plans, with the costs of the use that the address names, if it names one."""
    shown = {**facts(slug), **owned(request, slug)}
    asked = {n: request.query[n][:LONGEST] for n in costs.FIELDS if n in request.query}
    errors, status = {}, 200
    if asked:
        try:
            shown["estimates"] = costs.estimates(shown["plans"], costs.read_use(asked))
        except InvalidInput as error:
            errors, status = dict(error.errors), error.status
    filled = Filled({"computers": "1", **asked}, errors)
    answer = form_page(request, wiring.keyed(), PAGE, filled=filled, status=status, **shown)
    return about(answer, shown["application"].interest)


def refused_order(request: Request, slug: str, error: CetrusError) -> Response:
    """The page once more, with what is wrong beside the order form of the plan."""
    return form_again(request, wiring.keyed(), PAGE, error, **facts(slug), **owned(request, slug))


def owned(request: Request, slug: str) -> dict[str, Any]:
    """The plans that the caller holds a usable license of, and whether their trial was taken."""
    if request.caller is None or request.caller.kind != "person":
        return {"have": frozenset(), "had_trial": False}
    account, licenses = request.caller.id, wiring.licenses()
    application = wiring.catalog().by_slug(slug)
    held = [o for o in licenses.of_account(account) if o.application == application.id]
    return {
        "have": {each.plan for each in held if licenses.usable(each.license)},
        "had_trial": bool(held) and licenses.had_trial(account, application.id),
    }


def facts(slug: str) -> dict[str, Any]:
    catalog = wiring.catalog()
    application = catalog.by_slug(slug)
    plans = costs.in_order(catalog.plans(application.id))
    seated = [plan.id for plan in plans if plan.kind == SUBSCRIPTION]
    return {
        "application": application,
        "plans": plans,
        "trials": [plan for plan in plans if plan.kind == TRIAL],
        "seated": seated[0] if seated else "",
        "release": catalog.latest_release(application.id),
        "attempt": new_token(),
        "estimates": [],
        "words": costs,
    }
