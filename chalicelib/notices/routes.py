"""Pages about mail: an account's notices, and the link at the foot of each that ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.errors import CetrusError, NotFound
from chalicelib.edge.callers import account_of
from chalicelib.edge.forms import Filled, form_again, form_page, read_form
from chalicelib.edge.pages import render
from chalicelib.edge.responses import html, see_other
from chalicelib.edge.routes import Edge
from chalicelib.mail.notices import NotOptional
from chalicelib.mail.templates import TOPICS

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request
    from chalicelib.mail.wishes import WayOut

routes = Edge(__name__)
NOTICES = "notices/notices.html"
STOP = "notices/stop.html"
# A mail program sends either (RFC 8058), without cookies and without being led anywhere.
ONE_CLICK = ("application/x-www-form-urlencoded", "multipart/form-data")


class LinkUnknown(NotFound):
    """No mail of ours carries this link."""

    code = "unsubscribe_unknown"
    title = "This link is not one of ours"
    detail = (
        "Open the link from the mail itself. Or sign in: notices are chosen under Notices, offers "
        "and mail of partners under Privacy."
    )


@routes.page("/account/notices")
def show_notices(request: Request) -> Response:
    """Which notices come, at which hour, and whether mail to the account comes back."""
    choices = wiring.notices().of(account_of(request))
    on = {topic: "on" for topic in TOPICS if topic not in choices.topics_off}
    saved = request.query.get("saved") == "notices"
    return form_page(
        request, wiring.keyed(), NOTICES, filled=Filled(on), topics=TOPICS, choices=choices,
        saved=saved,
    )  # fmt: skip


@routes.form("/account/notices")
def choose_notices(request: Request) -> Response:
    """In force with the next mail; to ask for a notice again ends what once stopped it."""
    from chalicelib.notices.forms import NoticesForm

    account = account_of(request)
    try:
        form = read_form(request, NoticesForm, wiring.keyed())
        if form.declines_what_nobody_can():
            raise NotOptional
        wiring.notices().choose(account, form.wanted())
    except CetrusError as error:
        choices = wiring.notices().of(account)
        return form_again(
            request, wiring.keyed(), NOTICES, error, topics=TOPICS, choices=choices, saved=False
        )
    return see_other(request, "/account/notices?saved=notices")


@routes.form("/account/notices/works-again")
def works_again(request: Request) -> Response:
    """The person says that their mailbox takes mail again."""
    from chalicelib.notices.forms import WorksAgainForm

    read_form(request, WorksAgainForm, wiring.keyed())
    wiring.notices().works_again(account_of(request))
    return see_other(request, "/account/notices?saved=notices")


@routes.page("/unsubscribe/{token}")
def show_stop(request: Request, token: str) -> Response:
    """A button, or that it was pressed; nothing changed: scanners of mail follow links."""
    way = wiring.stopping().way_out(token)
    return stop_page(request, way, already=way is not None and wiring.stopping().stopped(way))


@routes.call("POST", "/unsubscribe/{token}", content_types=ONE_CLICK)
def stop(request: Request, token: str) -> Response:
    """The token says it all, so that one click of a mail program is enough (RFC 8058)."""
    request.body()
    return stop_page(request, wiring.stopping().stop(token), now=True)


def stop_page(
    request: Request, way: WayOut | None, *, now: bool = False, already: bool = False
) -> Response:
    if way is None:
        raise LinkUnknown
    topic = TOPICS.get(way.topic or "")
    return html(render(request, STOP, topic=topic, row=way.row, now=now, already=already))
