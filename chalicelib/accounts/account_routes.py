"""The account's own pages: overview and setup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.accounts.routes import IN_PLACE, countries, held, signed_in
from chalicelib.core.clock import month_of
from chalicelib.edge.callers import account_of
from chalicelib.edge.cookies import SESSION
from chalicelib.edge.forms import Filled, form_again, form_page, read_form
from chalicelib.edge.pages import render
from chalicelib.edge.responses import html, see_other
from chalicelib.edge.routes import Edge
from chalicelib.licenses.members import ROLES
from chalicelib.licenses.overview import overview
from chalicelib.rights import wiring as rights

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.core.errors import CetrusError
    from chalicelib.edge.request import Request
    from chalicelib.privacy.choices import Question

routes = Edge(__name__)
SETUP = "accounts/setup.html"
ZONE = "accounts/zone.html"
PASSWORD = "accounts/password.html"  # noqa: S105 - a template


@routes.page("/account")
def show_account(request: Request) -> Response:
    """What runs now and what was used, or what is left to do until something can run."""
    account, now = account_of(request), wiring.now()
    licenses = wiring.licenses()
    owned = licenses.of_account(account)
    seen = [found for each in owned if (found := overview(licenses, each, now))]
    month = month_of(now)
    rows = wiring.usage().of_account(account) if owned else []
    return html(
        render(
            request, "accounts/account.html", licenses=seen,
            launched=any(each.computers for each in seen),
            bounced_at=wiring.notices().of(account).bounced_at,
            running=[(each.owned, lease) for each in seen for lease in each.running],
            month=sum(row.milliseconds for row in rows if row.day.startswith(month)),
            shared=wiring.members().of_account(account), roles=ROLES,
            left=request.query.get("left") == "1", back=request.query.get("back") == "1",
            asked=newly_asked(account),
            planned=rights.erasure().can_be_stopped(account),
        )
    )  # fmt: skip


def newly_asked(account: str) -> list[Question]:
    """What a version that came after the account asks, while it is not answered."""
    came = {each.number: each.at for each in wiring.published().history()}
    return wiring.choosing().unanswered(account, came) if came else []


@routes.page("/account/setup")
def show_setup(request: Request) -> Response:
    """The profile, opened for its owner; each opening is in the ledger."""
    account = account_of(request)
    profile = wiring.accounts().profile(account)
    saved = request.query.get("saved") == "profile"
    return form_page(
        request, wiring.keyed(), SETUP, filled=Filled(profile), saved=saved,
        **shown(account, profile),
    )  # fmt: skip


@routes.form("/account/setup")
def correct_profile(request: Request) -> Response:
    """Seals the corrected profile anew (PS-69), and keeps where it is morning."""
    from chalicelib.accounts.forms import SetupForm

    account = account_of(request)
    try:
        form = read_form(request, SetupForm, wiring.keyed())
        wiring.accounts().correct(account, form.profile())
    except IN_PLACE as error:
        return setup_again(request, error)
    if form.time_zone and form.time_zone != wiring.notices().of(account).zone:
        wiring.notices().choose_zone(account, form.time_zone)
    return see_other(request, "/account/setup?saved=profile")


def setup_again(request: Request, error: CetrusError) -> Response:
    account = account_of(request)
    profile = wiring.accounts().profile(account)
    return form_again(request, wiring.keyed(), SETUP, error, saved=False, **shown(account, profile))


def shown(account: str, profile: dict[str, str]) -> dict[str, Any]:
    """What the setup page shows beside the form's own fields."""
    from chalicelib.accounts.zones import likely, suggested

    country, chosen = profile.get("country", ""), wiring.notices().of(account).zone
    return {
        "profile": profile,
        "planned": rights.erasure().can_be_stopped(account),
        "countries": countries(),
        "zones": likely(country, chosen),
        "chosen_zone": chosen,
        "suggested_zone": suggested(country),
    }


@routes.page("/account/setup/zone")
def show_zones(request: Request) -> Response:
    """Every time zone there is, for whoever lives in none of their country's."""
    return zones_page(request)


@routes.form("/account/setup/zone")
def choose_zone(request: Request) -> Response:
    """Mornings are there from now on; nothing is said twice because of it."""
    from chalicelib.accounts.forms import ZoneForm

    try:
        form = read_form(request, ZoneForm, wiring.keyed())
    except IN_PLACE as error:
        return zones_page(request, error)
    wiring.notices().choose_zone(account_of(request), form.time_zone)
    return see_other(request, "/account/notices?saved=notices")


def zones_page(request: Request, error: CetrusError | None = None) -> Response:
    from chalicelib.accounts.zones import ZONES

    chosen = wiring.notices().of(account_of(request)).zone or "UTC"
    if error:
        return form_again(request, wiring.keyed(), ZONE, error, zones=ZONES, chosen_zone=chosen)
    return form_page(request, wiring.keyed(), ZONE, zones=ZONES, chosen_zone=chosen)


@routes.page("/account/setup/password")
def show_password(request: Request) -> Response:
    saved = request.query.get("saved") == "password"
    return form_page(request, wiring.keyed(), PASSWORD, saved=saved)


@routes.form("/account/setup/password")
def change_password(request: Request) -> Response:
    """Ends every session, and starts one in this browser."""
    from chalicelib.accounts.forms import ChangePasswordForm

    try:
        form = read_form(request, ChangePasswordForm, wiring.keyed())
        token = wiring.recovery().change_password(
            account_of(request), form.current_password, form.password, leaving=held(request)
        )
    except IN_PLACE as error:
        return form_again(request, wiring.keyed(), PASSWORD, error, saved=False)
    return signed_in(request, token, "/account/setup/password?saved=password")


@routes.form("/logout/everywhere")
def sign_out_everywhere(request: Request) -> Response:
    """Every session of the account is dead at once, this one too."""
    from chalicelib.accounts.forms import EmptyForm

    read_form(request, EmptyForm, wiring.keyed())
    wiring.sessions().sign_out_everywhere(account_of(request))
    return see_other(request, "/login", cookies=(SESSION.cleared(),))
