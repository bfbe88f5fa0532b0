"""A person at a browser without scripts: follows links, fills in forms, keeps cookies.

Used by the demonstration, the smoke test and the tests on the running cloud. Cookies are kept here
and sent by hand, because HTTP libraries do not send `Secure` cookies to plain http://localhost, as
browsers do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Self
from urllib.parse import urljoin, urlsplit

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_REDIRECTS = 10
VOID = {"input", "button", "select", "textarea"}


@dataclass
class Form:
    """One form of a page, with the values that it holds already."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class PageParser(HTMLParser):
    """Title, heading, text, links, forms and `data` values of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.title = self.heading = ""
        self.links: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self.values: list[str] = []
        self.texts: list[str] = []
        self._inside: list[str] = []
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif tag in VOID and self.forms:
            self._field(tag, given)
        elif tag == "option" and self._select and self.forms:
            chosen = self.forms[-1].fields
            if "selected" in given or self._select not in chosen:
                chosen[self._select] = given.get("value", "")
        elif tag == "data":
            self.values.append(given.get("value", ""))
        elif tag == "a":
            self.links.append((given.get("href", ""), ""))
        if tag in {"title", "h1", "a", "style", "script"}:
            self._inside.append(tag)

    def _field(self, tag: str, given: Mapping[str, str]) -> None:
        name = given.get("name", "")
        unchecked = given.get("type") in {"checkbox", "radio"} and "checked" not in given
        if tag == "select":
            self._select = name
        elif name and tag != "button" and not unchecked:
            self.forms[-1].fields[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        where = self._inside[-1] if self._inside else ""
        if where == "title":
            self.title += data
        if where == "h1":
            self.heading += data
        if where == "a" and self.links:
            href, text = self.links[-1]
            self.links[-1] = (href, text + data)
        if where not in {"style", "script", "title"} and data.strip():
            self.texts.append(" ".join(data.split()))


@dataclass
class Page:
    """What a person sees after following all redirects."""

    url: str
    status: int
    headers: httpx.Headers
    html: str
    parsed: PageParser

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def text(self) -> str:
        return " ".join(self.parsed.texts)

    def form(self, action_part: str) -> Form:
        """The form whose address holds this text; LookupError names what there is instead."""
        for found in self.parsed.forms:
            if action_part in found.action:
                return found
        known = [found.action for found in self.parsed.forms]
        raise LookupError(f"no form for {action_part} on {self.url}: {known}")

    def link(self, part: str) -> str:
        """The first link whose address or text holds this text."""
        for href, text in self.parsed.links:
            if part in href or part in text:
                return href
        raise LookupError(f"no link for {part} on {self.url}")


class Person:
    """One browser: cookies a host name, as browsers have them."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.cookies: dict[str, dict[str, str]] = {}
        self.http = httpx.Client(timeout=60, trust_env=False)
        self.page: Page | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def open(self, path: str) -> Page:
        return self._go("GET", urljoin(self.page.url if self.page else self.home, path))

    def submit(self, action_part: str, **values: str) -> Page:
        """Fill in and send a form of the page that is open."""
        if self.page is None:
            raise LookupError("no page is open")
        form = self.page.form(action_part)
        fields = {**form.fields, **values}
        target = urljoin(self.page.url, form.action or self.page.url)
        if form.method == "get":
            return self._go("GET", str(httpx.URL(target, params=fields)))
        return self._go("POST", target, fields)

    def fetch(self, url: str) -> httpx.Response:
        """One request with this browser's cookies, no redirect followed."""
        target = urljoin(self.home, url)
        return self._send("GET", target, None)

    def _go(self, method: str, url: str, fields: Mapping[str, str] | None = None) -> Page:
        for _ in range(MOST_REDIRECTS):
            answer = self._send(method, url, fields)
            if not answer.is_redirect:
                break
            method, url, fields = "GET", urljoin(url, answer.headers["location"]), None
        parser = PageParser()
        parser.feed(answer.text)
        self.page = Page(url, answer.status_code, answer.headers, answer.text, parser)
        return self.page

    def _send(self, method: str, url: str, fields: Mapping[str, str] | None) -> httpx.Response:
        host = urlsplit(url).hostname or ""
        kept = self.cookies.setdefault(host, {})
        headers = {"accept": "text/html,application/xhtml+xml"}
        if kept:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        answer = self.http.request(method, url, data=fields, headers=headers)
        for header in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(header).items():
                if morsel["max-age"] == "0":
                    kept.pop(name, None)
                else:
                    kept[name] = morsel.value
        return answer
