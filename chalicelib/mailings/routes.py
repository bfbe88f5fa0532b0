"""`/staff/mailings`: written by service, approved by privacy, each step a button of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.core.errors import CetrusError, InvalidInput, NotFound
from chalicelib.core.ids import new_token
from chalicelib.edge.callers import member_of
from chalicelib.edge.forms import Filled, form_again, form_page, read_form, typed
from chalicelib.edge.pages import render
from chalicelib.edge.paging import cursor_of, encode
from chalicelib.edge.responses import html, see_other
from chalicelib.edge.routes import Edge
from chalicelib.mailings import wiring as made
from chalicelib.staff.rules import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalice.app import Response

    from chalicelib.edge.request import Request
    from chalicelib.mailings.forms import TextForm
    from chalicelib.mailings.rules import Content, Mailing

routes = Edge(__name__)

LIST, CHOOSE = "mailings/list.html", "mailings/choose.html"
WRITE, MAILING = "mailings/write.html", "mailings/mailing.html"
DONE = {
    "saved": ({"draft"}, "The draft is saved. Read it as it will look, then submit it."),
    "submitted": ({"submitted"}, "Submitted. It waits for a second person to approve or refuse."),
    "approved": ({"approved"}, "Approved. It waits to be sent or scheduled by the role service."),
    "refused": ({"refused"}, "Refused. It goes no further, and its author is told your reason."),
    "scheduled": ({"scheduled"}, "Scheduled. Until its time it can be canceled."),
    "sent": (
        {"scheduled", "sending", "sent"}, "It goes out now: its mails are written in five minutes."
    ),
    "canceled": ({"canceled"}, "Canceled. It goes no further."),
}  # fmt: skip
"""What a step says when it is done, while the mailing is as the step left it."""
PAGE_SIZE = 20
OFFERED = 200  # applications that a text can be about, in the order of their addresses


@routes.page("/staff/mailings")
def show_mailings(request: Request) -> Response:
    """All of them, the newest first, with a search in what they say."""
    from chalicelib.mailings.rules import State
    from chalicelib.mailings.texts import KINDS

    wanted, state = request.query.get("q", "").strip()[:80], request.query.get("state", "")
    if state and state not in set(State):
        raise NotFound
    found, last = wiring.mailings().search(wanted, state, cursor_of(request), PAGE_SIZE)
    page = render(
        request, LIST, found=found, wanted=wanted, state=state, states=list(State), kinds=KINDS,
        next=encode(last) if last else None, first="cursor" not in request.query,
        writes=has_role(request, Role.SERVICE),
    )  # fmt: skip
    return html(page)


@routes.page("/staff/mailings/new")
def show_new(request: Request) -> Response:
    """First what it is to be, then the fields of that text."""
    from chalicelib.mailings.texts import KINDS, TEXTS, Kind

    if again := request.query.get("again", ""):
        return show_again(request, again)
    kind, text = request.query.get("kind", ""), request.query.get("text", "")
    if not kind and not text:
        return html(render(request, CHOOSE, kinds=KINDS, texts=TEXTS))
    if kind not in set(Kind) or text not in TEXTS or Kind(kind) not in TEXTS[text].kinds:
        raise NotFound
    filled = Filled({"kind": kind, "text": text, "once": new_token()})
    return form_page(request, wiring.keyed(), WRITE, filled=filled, **written(kind, text, ""))


def show_again(request: Request, mailing_id: str) -> Response:
    """The form of a new mailing with the text of one that is over; that one stays as it is."""
    content = wiring.mailings().over(mailing_id).content
    filled = Filled({**fields_of(content), "once": new_token()})
    more = written(content.kind, content.text, "") | {"again": mailing_id}
    return form_page(request, wiring.keyed(), WRITE, filled=filled, **more)


@routes.form("/staff/mailings")
def draft(request: Request) -> Response:
    from chalicelib.mailings.forms import DraftForm

    try:
        form = read_form(request, DraftForm, wiring.keyed())
        content = content_of(form)
        mailing = wiring.mailings().draft(member_of(request), form.once, content)
    except CetrusError as error:
        return write_again(request, error, "")
    return done(request, mailing, "saved")


@routes.page("/staff/mailings/{mailing_id}")
def show_mailing(request: Request, mailing_id: str) -> Response:
    """What it says, as its readers will see it, and the steps that whoever looks may take."""
    return form_page(request, wiring.keyed(), MAILING, **shown(request, mailing_id))


@routes.page("/staff/mailings/{mailing_id}/text")
def show_text(request: Request, mailing_id: str) -> Response:
    from chalicelib.mailings.rules import State

    mailing = wiring.mailings().mailing(mailing_id)
    if mailing.state is not State.DRAFT:
        return see_other(request, f"/staff/mailings/{mailing_id}")
    content = mailing.content
    more = written(content.kind, content.text, mailing_id)
    filled = Filled(fields_of(content))
    return form_page(request, wiring.keyed(), WRITE, filled=filled, **more)


@routes.form("/staff/mailings/{mailing_id}/text")
def change_text(request: Request, mailing_id: str) -> Response:
    from chalicelib.mailings.forms import TextForm

    try:
        form = read_form(request, TextForm, wiring.keyed())
        content = content_of(form)
        wiring.mailings().change(member_of(request), mailing_id, content)
    except NotFound:
        raise
    except CetrusError as error:
        return write_again(request, error, mailing_id)
    return done(request, mailing_id, "saved")


@routes.form("/staff/mailings/{mailing_id}/submit")
def submit(request: Request, mailing_id: str) -> Response:
    return button(request, mailing_id, wiring.mailings().submit, "submitted")


@routes.form("/staff/mailings/{mailing_id}/cancel")
def cancel(request: Request, mailing_id: str) -> Response:
    return button(request, mailing_id, wiring.mailings().cancel, "canceled")


@routes.form("/staff/mailings/{mailing_id}/refuse")
def refuse(request: Request, mailing_id: str) -> Response:
    """With a reason, which the mailing keeps and its page shows."""
    from chalicelib.mailings.forms import RefuseForm

    def act() -> None:
        form = read_form(request, RefuseForm, wiring.keyed())
        wiring.mailings().refuse(member_of(request), mailing_id, form.why)

    return step(request, mailing_id, act, "refused")


@routes.form("/staff/mailings/{mailing_id}/approve")
def approve(request: Request, mailing_id: str) -> Response:
    """Of what was on the page, and of nothing that came after."""
    from chalicelib.mailings.forms import ApproveForm

    def act() -> None:
        form = read_form(request, ApproveForm, wiring.keyed())
        wiring.mailings().approve(member_of(request), mailing_id, form.seen)

    return step(request, mailing_id, act, "approved")


@routes.form("/staff/mailings/{mailing_id}/schedule")
def schedule(request: Request, mailing_id: str) -> Response:
    from chalicelib.mailings.forms import ScheduleForm

    def act() -> None:
        form = read_form(request, ScheduleForm, wiring.keyed())
        at, until = form.instants()
        wiring.mailings().schedule(member_of(request), mailing_id, at, until)

    return step(request, mailing_id, act, "scheduled")


@routes.form("/staff/mailings/{mailing_id}/send")
def send(request: Request, mailing_id: str) -> Response:
    """Now, and to no more people than the page named."""
    from chalicelib.mailings.forms import SendForm

    def act() -> None:
        form = read_form(request, SendForm, wiring.keyed())
        wiring.mailings().send_now(member_of(request), mailing_id, form.shown())

    return step(request, mailing_id, act, "sent")


def button(
    request: Request, mailing_id: str, act: Callable[[str, str], None], what: str
) -> Response:
    from chalicelib.accounts.forms import EmptyForm

    def read_and_act() -> None:
        read_form(request, EmptyForm, wiring.keyed())
        act(member_of(request), mailing_id)

    return step(request, mailing_id, read_and_act, what)


def step(request: Request, mailing_id: str, act: Callable[[], None], what: str) -> Response:
    """One step; what stands in its way is said on the mailing's page, as it then is."""
    try:
        act()
    except NotFound:
        raise
    except CetrusError as error:
        return form_again(request, wiring.keyed(), MAILING, error, **shown(request, mailing_id))
    return done(request, mailing_id, what)


def done(request: Request, mailing_id: str, what: str) -> Response:
    return see_other(request, f"/staff/mailings/{mailing_id}?done={what}")


def said(request: Request, mailing: Mailing) -> str:
    """The sentence of the step that was just taken; "" where it does not fit the mailing."""
    states, sentence = DONE.get(request.query.get("done", ""), ((), ""))
    return sentence if mailing.state in states else ""


def write_again(request: Request, error: CetrusError, mailing_id: str) -> Response:
    """The form with what was typed; the first page where it does not even say what it is for."""
    from chalicelib.mailings.texts import TEXTS, Kind

    kind, text = typed(request).get("kind", ""), typed(request).get("text", "")
    if kind not in set(Kind) or text not in TEXTS:
        raise error
    return form_again(request, wiring.keyed(), WRITE, error, **written(kind, text, mailing_id))


def written(kind: str, text: str, mailing_id: str) -> dict[str, Any]:
    """What the form of a text needs."""
    from chalicelib.mailings.texts import FIELDS, KINDS, PAGES, TEXTS, Kind

    found = (
        wiring.catalog().search("", None, OFFERED)[0] if KINDS[Kind(kind)].of_application else []
    )
    return {
        "kind": KINDS[Kind(kind)], "sheet": TEXTS[text], "fields": FIELDS, "pages": PAGES,
        "applications": {item["slug"]: item["name"] for item in found}, "mailing_id": mailing_id,
        "again": "",
    }  # fmt: skip


def content_of(form: TextForm) -> Content:
    if not form.application:
        return form.content("", "")
    try:
        application = wiring.catalog().by_slug(form.application)
    except NotFound:
        raise InvalidInput(errors={"application": "Choose one from the list."}) from None
    return form.content(application.id, application.name)


def fields_of(content: Content) -> dict[str, str]:
    """What the form of its text is filled with."""
    return {
        "kind": content.kind, "text": content.text, "application": slug_of(content),
        **content.fields,
    }  # fmt: skip


def slug_of(content: Content) -> str:
    application = wiring.catalog().application(content.application) if content.application else None
    return application.slug if application else ""


def shown(request: Request, mailing_id: str) -> dict[str, Any]:
    from chalicelib.mailings.preview import preview
    from chalicelib.mailings.rules import LONGEST_REASON
    from chalicelib.mailings.texts import KINDS, TEXTS, Channel, Kind

    service, now = wiring.mailings(), wiring.now()
    mailing = service.mailing(mailing_id)
    content, mails = mailing.content, mailing.channel is Channel.MAIL
    told = service.told(content)
    return {
        "mailing": mailing, "kind": KINDS[content.kind], "sheet": TEXTS[content.text],
        "hash": content.sha256, "mine": mailing.author == member_of(request),
        "approved_by_me": mailing.approver == member_of(request),
        "refused_by_me": bool(mailing.refusal and mailing.refusal.by == member_of(request)),
        "done": said(request, mailing), "longest": LONGEST_REASON,
        "mail": preview(made.letterhead(), content, told, now) if mails else None, "told": told,
        "tally": service.tally(mailing), "partner": content.kind is Kind.PARTNER, "now": now,
        "may": may(request, mailing, now),
    }  # fmt: skip


def may(request: Request, mailing: Mailing, now: int) -> set[str]:
    """The steps that this person has a role for; the rules judge again."""
    from chalicelib.mailings.rules import FROM, OVER

    author = mailing.author == member_of(request)
    steps = {step for step in FROM if mailing.may(step, now)}
    allowed: set[str] = set()
    if has_role(request, Role.SERVICE):
        allowed |= {"schedule", "cancel"} | ({"submit"} if author else set())
    if has_role(request, Role.PRIVACY):
        allowed |= {"refuse"} | (set() if author else {"approve"})
    again = {"again"} if has_role(request, Role.SERVICE) and mailing.state in OVER else set()
    return (steps & allowed) | again


def has_role(request: Request, role: Role) -> bool:
    return request.caller is not None and role in request.caller.claims["roles"]
