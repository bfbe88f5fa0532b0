"""What is wrong with a page that a browser got: what it loads, where it leads, what it asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from chalicelib.edge.cookies import COOKIES
from chalicelib.privacy import policies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OK = 200
LARGEST = 30_000
"""Bytes of a page with its styles."""
LOADS = {"src", "srcset", "poster", "data", "background", "xlink:href", "manifest", "ping"}
"""Attributes whose address a browser asks for by itself."""
BY_ITSELF = {"link", "image", "use"}
"""Elements whose `href` it asks for by itself."""
NO_PLACE = {"script", "style", "iframe", "frame", "object", "embed", "applet", "base", "portal"}
CHOICES = {
    f"choice_{name}"
    for name, use in policies.VERSIONS[policies.IN_FORCE].items()
    if use.get("when") == "choice" and use["beside"] == "email"
}
"""What is asked beside an address that somebody gives for an account of their own."""


@dataclass
class Asked:
    """A form: its fields by name, each with the types that stand under it, in order."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    ticked: set[str] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Got:
    """One answer to one GET."""

    url: str
    headers: Mapping[str, str]
    cookies: Sequence[str]
    html: str
    status: int = 200


class Look(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.forms: list[Asked] = []
        self.bad: list[str] = []
        self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in NO_PLACE:
            self.bad.append(f"<{tag}>")
        if tag == "meta" and "http-equiv" in given:
            self.bad.append(f"<meta {given['http-equiv']}>")
        self.bad += [f"{name}=" for name in given if name == "style" or name.startswith("on")]
        self.loaded += [value for name, value in given.items() if name in LOADS]
        if "href" in given:
            if tag in BY_ITSELF:
                self.loaded.append(given["href"])
            else:
                self.links.append((given["href"], given.get("rel", "")))
        if tag == "form":
            action, method = given.get("action", ""), given.get("method", "get").lower()
            self.forms.append(Asked(action, method))
        if "formaction" in given:
            self.forms.append(Asked(given["formaction"], "post"))
        if self.forms:
            self._ask(tag, given)

    def _ask(self, tag: str, given: Mapping[str, str]) -> None:
        form, name = self.forms[-1], given.get("name", "")
        if tag == "select":
            self._select = name
        if tag == "option" and ("selected" in given or self._select not in form.held):
            form.held[self._select] = given.get("value", "")
        if tag not in {"input", "select", "textarea", "button"} or not name:
            return
        kind = given.get("type", "text") if tag == "input" else tag
        form.fields.setdefault(name, []).append(kind)
        if kind in {"checkbox", "radio"} and "checked" not in given:
            return
        if kind in {"checkbox", "radio"}:
            form.ticked.add(name)
        if tag == "input":
            form.held[name] = given.get("value", "")

    def error(self, message: str) -> None:
        self.bad.append(message)


def policy(processor: str) -> str:
    """The whole of it, word by word: what a browser may load, and where forms may lead."""
    return (
        f"default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self' "
        f"{processor}; base-uri 'none'; frame-ancestors 'none'"
    )


def header_faults(got: Got, processor: str) -> list[str]:
    wanted = {
        "content-security-policy": policy(processor), "referrer-policy": "origin",
        "x-content-type-options": "nosniff", "cross-origin-opener-policy": "same-origin",
    }  # fmt: skip
    found = [name for name, value in wanted.items() if got.headers.get(name) != value]
    declared = {cookie.name for cookie in COOKIES}
    for line in got.cookies:
        name, _, rest = line.partition("=")
        if name not in declared or "domain=" in rest.lower():
            found.append(f"cookie {name}")
    return found


def page_faults(got: Got, look: Look) -> list[str]:
    """What it loads from elsewhere or holds inline, and links that do not go by the exit page."""
    found = list(look.bad)
    found += [f"loads {at}" for at in look.loaded if not ours(got.url, at)]
    found += [f"form to {form.action}" for form in look.forms if not ours(got.url, form.action)]
    far = [link for link in look.links if not ours(got.url, link[0])]
    far = [link for link in far if not link[0].startswith("mailto:support@")]
    if urlsplit(got.url).path == "/exit" and got.status == OK:
        quiet = [rel for _, rel in far if {"noreferrer", "noopener"} <= set(rel.split())]
        return found if len(far) == len(quiet) == 1 else [*found, "more than the one way out"]
    return found + [f"links to {urlsplit(link[0]).netloc or link[0]}" for link in far]


def form_faults(look: Look, asks_of: Mapping[str, str], route: str) -> list[str]:
    """An address that is asked for without the choices beside it, or with one made already."""
    found = []
    for form in look.forms:
        asked = {name for name in form.fields if name.startswith("choice_")}
        if "email" in form.fields.get("email", []) and route not in asks_of and asked != CHOICES:
            found.append("an address without its choices")
        found += [f"{name} is ticked" for name in asked & form.ticked]
        found += [
            f"{name} has no answer for an empty box"
            for name in asked
            if form.fields[name] != ["hidden", "checkbox"]
        ]
    return found


def ours(page: str, address: str) -> bool:
    """Whether it leads to the origin that the page is of."""
    if address.startswith("data:image/"):
        return True
    there, here = urlsplit(urljoin(page, address)), urlsplit(page)
    return (there.scheme, there.netloc) == (here.scheme, here.netloc)
