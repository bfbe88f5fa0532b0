"""The hosted page: what a person sees between the merchant's redirect and the way back."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from infra.local.processor import cards, checkout, html
from infra.local.processor.errors import CARD_REFUSED, NOT_FOUND, CardError, JsonObject
from infra.local.processor.html import Fragment
from infra.local.processor.world import World

_GONE = 410
_UNPROCESSABLE = 422
_SEE_OTHER = 303
_WHOLE_CURRENCIES = frozenset({"jpy"})
_FIELDS = {"number": "Card number", "expiry": "Expiry", "cvc": "Security code"}
_SAMPLE_EXPIRY = "12/34"
_NOTHING = Fragment("")


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer for a browser. `forms_to` are the origins that its forms may lead to."""

    status: int
    body: bytes = b""
    location: str = ""
    forms_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed into the form, and what is wrong with it."""

    number: str = ""
    expiry: str = ""
    cvc: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    declined: str = ""

    @property
    def status(self) -> int:
        if self.declined:
            return CARD_REFUSED
        return _UNPROCESSABLE if self.errors else 200


def show(world: World, session_id: str, query: str) -> Shown:
    """The page of a session, as far as it has come."""
    session = _session(world, session_id)
    if session is None or session["status"] != "open":
        return _closed(session)
    if checkout.waits_for_person(world, session):
        return _confirm_page(world, session)
    return _pay_page(session, _sample(parse_qs(query).get("use", [""])[0]))


def submit(world: World, session_id: str, form: Mapping[str, str]) -> Shown:
    """Try the card that was typed in. Submitting twice leads to the same place."""
    session = _session(world, session_id)
    if session is None or session["status"] != "open":
        return _closed(session)
    typed, card = _read_form(form)
    if card is None:
        return _pay_page(session, typed)
    try:
        checkout.submit(world, session, card)
    except CardError as declined:
        return _pay_page(session, Typed(expiry=typed.expiry, declined=str(declined)))
    return _onward(session)


def authenticate(world: World, session_id: str, form: Mapping[str, str]) -> Shown:
    """Take the answer to the bank's question."""
    session = _session(world, session_id)
    if session is None or session["status"] != "open":
        return _closed(session)
    if not checkout.waits_for_person(world, session):
        return Shown(_SEE_OTHER, location=f"/c/pay/{session_id}")
    try:
        checkout.authenticate(world, session, confirmed=form.get("answer") == "confirm")
    except CardError as refused:
        return _pay_page(session, Typed(declined=str(refused)))
    return _onward(session)


def _session(world: World, session_id: str) -> JsonObject | None:
    found = world.store.find(session_id)
    return found if found and found["object"] == "checkout.session" else None


def _onward(session: JsonObject) -> Shown:
    """To the merchant when the session is complete, else to the bank's question."""
    if session["status"] == "complete":
        return Shown(_SEE_OTHER, location=checkout.return_url(session))
    return Shown(_SEE_OTHER, location=f"/c/pay/{session['id']}/confirm")


def _read_form(form: Mapping[str, str]) -> tuple[Typed, cards.Card | None]:
    number, expiry, cvc = (form.get(name, "").strip() for name in _FIELDS)
    month_year = _read_expiry(expiry)
    errors = {}
    if not cards.known(number):
        errors["number"] = "Enter the number of a test card, such as 4242 4242 4242 4242."
    if month_year is None:
        errors["expiry"] = "Enter month and year, such as 12/34."
    elif _past(*month_year):
        errors["expiry"] = "Enter a month that is not past."
    if not (cvc.isascii() and cvc.isdigit() and len(cvc) in (3, 4)):
        errors["cvc"] = "Enter 3 or 4 digits."
    # What is not a test card is never sent back, nor is a security code.
    typed = Typed(number if cards.known(number) else "", expiry, errors=errors)
    if errors or month_year is None:
        return typed, None
    return typed, cards.read_card(number, *month_year)


def _read_expiry(text: str) -> tuple[int, int] | None:
    month, _, year = text.replace(" ", "").replace("-", "/").partition("/")
    if not year and len(month) in (4, 6):
        month, year = month[:2], month[2:]
    if not (month + year).isascii() or not month.isdigit() or not year.isdigit():
        return None
    if not 1 <= int(month) <= 12 or len(year) not in (2, 4):
        return None
    return int(month), int(year) + (2000 if len(year) == 2 else 0)


def _past(month: int, year: int) -> bool:
    today = datetime.fromtimestamp(time.time(), UTC)
    return (year, month) < (today.year, today.month)


def _sample(behavior: str) -> Typed:
    number = cards.number_for(behavior)
    return Typed(number, _SAMPLE_EXPIRY, "123") if number else Typed()


# pages


def _pay_page(session: JsonObject, typed: Typed) -> Shown:
    main = html.fill(
        "pay.html",
        session=session["id"],
        **_summary(session),
        errors=_alert(typed),
        **_field_values(typed),
        cards=_card_list(session["id"]),
    )
    title = ("Error: " if typed.declined or typed.errors else "") + _summary(session)["heading"]
    return Shown(typed.status, html.page(title, main), forms_to=_forms_to(session))


def _summary(session: JsonObject) -> dict[str, str]:
    common = {
        "merchant": f"Requested by {urlsplit(session['success_url']).netloc}",
        "cancel_url": session["cancel_url"] or session["success_url"],
        "cancel": "Cancel and go back",
    }
    if session["mode"] == "setup":
        return common | {
            "heading": "Save a card",
            "amount": "",
            "explanation": "Nothing is charged now. The card is saved for the merchant. Whether "
            "anything is charged later, and what, is what the merchant's own page said.",
            "button": "Save this card",
            "terms": "Of a card, the simulator keeps the brand, the last four digits and the "
            "expiry. The number goes nowhere.",
        }
    amount = money(session["amount_total"], session["currency"])
    return common | {
        "heading": f"Pay for {session['_sim']['description']}",
        "amount": amount,
        "explanation": f"The amount is charged when you press the button. {_afterwards(session)}",
        "button": f"Pay {amount}",
        "terms": "Of a card, the simulator keeps the brand, the last four digits and the "
        "expiry. The number goes nowhere.",
    }


def _afterwards(session: JsonObject) -> str:
    """What a payment means for later, by what the session says of the card."""
    if session["_sim"]["intent"]["setup_future_usage"] == "off_session":
        return (
            "The card is saved for the merchant, which charges it again without asking "
            "as its own page said, for example for the next month."
        )
    return "It is charged once, and the card is not saved."


def money(amount: int, currency: str) -> str:
    """An amount in minor units as a person reads it."""
    whole = currency in _WHOLE_CURRENCIES
    return f"{amount:,} {currency.upper()}" if whole else f"{amount / 100:,.2f} {currency.upper()}"


def _alert(typed: Typed) -> Fragment:
    if typed.declined:
        return html.inline(
            '<div class="alert" role="alert" tabindex="-1" autofocus>'
            "<h3>$message</h3><p>Nothing was saved or charged. Use another card, or cancel.</p>"
            "</div>",
            message=typed.declined,
        )
    if not typed.errors:
        return _NOTHING
    links = [
        html.inline(
            '<li><a href="#$name">$label: $message</a></li>',
            name=name,
            label=_FIELDS[name],
            message=message[0].lower() + message[1:],
        )
        for name, message in typed.errors.items()
    ]
    return html.inline(
        '<div class="alert" role="alert" tabindex="-1" autofocus>'
        "<h3>There is a problem</h3><ul>$links</ul></div>",
        links=html.join(links),
    )


def _field_values(typed: Typed) -> dict[str, str]:
    values: dict[str, str] = {"number": typed.number, "expiry": typed.expiry, "cvc": typed.cvc}
    for name in _FIELDS:
        message = typed.errors.get(name)
        values[f"{name}_state"] = "wrong" if message else ""
        values[f"{name}_described"] = f" {name}-error" if message else ""
        values[f"{name}_invalid"] = Fragment(' aria-invalid="true"' if message else "")
        values[f"{name}_error"] = _NOTHING
        if message:
            values[f"{name}_error"] = html.inline(
                '<p class="error" id="$name-error">$message</p>', name=name, message=message
            )
    return values


def _card_list(session_id: str) -> Fragment:
    return html.join(
        [
            html.inline(
                '<li><a href="/c/pay/$session?use=$name"><code>$number</code>'
                "<span>$summary</span></a></li>",
                session=session_id,
                name=behavior.name,
                number=cards.number_for(behavior.name),
                summary=behavior.summary,
            )
            for behavior in cards.BEHAVIORS.values()
        ]
    )


def _confirm_page(world: World, session: JsonObject) -> Shown:
    intent = checkout.intent_of(world, session)
    method = world.get("payment_method", intent["payment_method"])
    saving = session["mode"] == "setup"
    summary = _summary(session)
    main = html.fill(
        "confirm.html",
        session=session["id"],
        merchant=summary["merchant"],
        last4=method["card"]["last4"],
        purpose="that this card may be saved" if saving else f"paying {summary['amount']}",
        cancel_url=summary["cancel_url"],
        cancel=summary["cancel"],
    )
    page = html.page("Confirm that it is you", main, width="narrow")
    return Shown(200, page, forms_to=_forms_to(session))


def _closed(session: JsonObject | None) -> Shown:
    """A session that takes no card: unknown, expired, or done (and then the way back)."""
    if session is None:
        return _message(NOT_FOUND, "There is no such checkout", "Go back to where you came from.")
    if session["status"] == "complete":
        return Shown(_SEE_OTHER, location=checkout.return_url(session))
    back = html.inline(
        '<a class="button" href="$url">Go back to $where</a>',
        url=session["cancel_url"] or session["success_url"],
        where=urlsplit(session["success_url"]).netloc,
    )
    text = (
        "It was open for a limited time, and nothing was saved or charged. Go back to start again."
    )
    return _message(_GONE, "This checkout has expired", text, back)


def _message(status: int, heading: str, text: str, more: Fragment = _NOTHING) -> Shown:
    main = html.inline(
        '<section class="card"><h1>$heading</h1><p>$text</p>$more</section>',
        heading=heading,
        text=text,
        more=more,
    )
    return Shown(status, html.page(heading, main, width="narrow"))


def _forms_to(session: JsonObject) -> tuple[str, ...]:
    # Chromium applies form-action to the redirect that follows the post, too.
    parts = urlsplit(session["success_url"])
    return (f"{parts.scheme}://{parts.netloc}",)
