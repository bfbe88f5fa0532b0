"""What a user agent says of itself, in a few words: browser family, platform, or that it is a bot.

The vocabulary is closed and coarse on purpose: enough for trends, too little to tell people apart.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

OTHER = "other"
BOTS = (
    "bot", "crawl", "spider", "slurp", "archive", "scan", "monitor", "preview", "validator",
    "lighthouse", "headless", "facebookexternalhit", "feed", "fetch", "http-client", "httpclient",
    "okhttp", "libwww", "curl/", "wget", "python", "java/", "ruby", "perl", "php", "axios", "node",
    "postman", "insomnia", "uptime", "pingdom",
)  # fmt: skip
PHONE = "cubot"  # whose maker is called so, and which is none
# In this order: most browsers also name those that they descend from.
BROWSERS = {
    "Edge": (" Edg/", " Edge/", " EdgA/", " EdgiOS/"),
    "Opera": (" OPR/", "Opera", " OPT/"),
    "Samsung Internet": (" SamsungBrowser/",),
    "Vivaldi": (" Vivaldi/",),
    "DuckDuckGo": (" DuckDuckGo/", " Ddg/"),
    "Yandex": (" YaBrowser/",),
    "UC Browser": (" UCBrowser/",),
    "Firefox": (" Firefox/", " FxiOS/"),
    "Chrome": (" Chrome/", " CriOS/", " Chromium/"),
    "Safari": (" Safari/",),
    "Internet Explorer": ("MSIE ", " Trident/"),
}
PLATFORMS = {
    "Android": ("Android",),
    "iOS": ("iPhone", "iPad", "iPod"),
    "Windows": ("Windows",),
    "macOS": ("Macintosh", "Mac OS X"),
    "ChromeOS": ("CrOS ",),
    "Linux": ("Linux", "X11"),
}


class Agent(NamedTuple):
    bot: bool
    browser: str
    platform: str


def agent_of(text: str) -> Agent:
    """By what a browser calls itself, plain or percent-encoded; saying nothing is a bot's way."""
    text = unquote(text) if "%" in text else text
    if text in {"", "-"} or is_bot(text.lower()):
        return Agent(True, OTHER, OTHER)
    return Agent(False, first(BROWSERS, text), first(PLATFORMS, text))


def is_bot(text: str) -> bool:
    text = text.replace(PHONE, "") if PHONE in text else text
    return any(sign in text for sign in BOTS)


def first(choices: dict[str, tuple[str, ...]], text: str) -> str:
    return next(
        (name for name, signs in choices.items() if any(sign in text for sign in signs)), OTHER
    )
