"""The page at `/_local/`: what the cloud holds, with buttons to turn it; no script, no asset."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

HOUR_MS = 3_600_000
LINK = re.compile(r"https?://[^\s<>\"']+")
SAID = {
    "advanced": "The clock was moved; every schedule that came due has run.",
    "frozen": "The clock stands still.",
    "going": "The clock runs again.",
    "ran": "The function has run.",
    "settled": "Queues, streams and the outbox are empty.",
    "manual": "Schedules now run only when they are told to.",
    "automatic": "Schedules run by themselves.",
    "faults": "All faults are cleared.",
}
STEPS = (
    ("1 minute", 60),
    ("5 minutes", 300),
    ("1 hour", 3_600),
    ("1 day", 86_400),
    ("31 days", 31 * 86_400),
)


@dataclass(frozen=True, slots=True)
class View:
    """All that the page shows; `said` names the sentence about what was just done."""

    now: str
    mode: str
    schedules: list[dict[str, Any]]
    mails: list[dict[str, Any]]
    queues: dict[str, Any]
    faults: list[dict[str, Any]]
    seed: dict[str, Any]
    said: str


def render(view: View) -> str:
    newest_first = list(reversed(view.mails))
    return _template().render(
        view=view, mails=newest_first, said=SAID.get(view.said), steps=STEPS, seed=view.seed
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader

    here = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=here, autoescape=True)
    environment.filters["linked"] = linked
    environment.filters["pairs"] = pairs
    environment.filters["application"] = application
    environment.filters["price"] = price
    return environment.get_template("page.html")


def linked(text: Any) -> Any:
    """Escape text and make its web addresses links."""
    from markupsafe import Markup

    def anchor(found: re.Match[str]) -> str:
        address = found[0].rstrip(".,;:!?)]")
        rest = html.escape(found[0][len(address) :])
        safe = html.escape(address)
        return f'<a href="{safe}">{safe}</a>{rest}'

    text = str(text or "")
    pieces, end = [], 0
    for found in LINK.finditer(text):
        pieces += [html.escape(text[end : found.start()]), anchor(found)]
        end = found.end()
    pieces.append(html.escape(text[end:]))
    return Markup("".join(pieces))  # noqa: S704  # every piece was escaped above


def application(plan: Any, seed: Any) -> str:
    """The name of the application that a seeded plan is of, or its id."""
    wanted = plan.get("application", "")
    named = (one["name"] for one in seed.get("applications", []) if one.get("id") == wanted)
    return str(next(named, wanted))


def price(plan: Any) -> str:
    """What a seeded plan costs, as a person reads it."""
    if plan.get("kind") == "metered":
        return f"{plan['price_per_hour']} an hour"
    if not plan.get("price"):
        return "nothing"
    amount = f"{plan['price'] / 100:.2f} {plan['currency']}"
    if plan.get("period_months"):
        return f"{amount} a seat and month"
    return f"{amount} for {plan['prepaid_ms'] / HOUR_MS:g} hours"


def pairs(value: Any) -> list[tuple[str, str]]:
    """Return a seeded thing as rows of name and text, whatever its shape."""
    if isinstance(value, dict):
        return [
            (str(name), _text(item)) for name, item in value.items() if item not in ("", [], ())
        ]
    return [("", _text(value))]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return "" if value is None else str(value)
