"""What a user agent says of itself, in a few words: browser family, platform, or that it is a bot.

The vocabulary is closed and coarse on purpose: enough for trends, too little to tell people apart.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

OTHER = "other"
# A phone maker is called Cubot.
BOT = re.compile(
    r"(?<!cu)bot|crawl|spider|slurp|archive|scan|monitor|preview|validator|lighthouse|headless|"
    r"facebookexternalhit|feed|fetch|http[-_ ]?client|okhttp|libwww|\bcurl|\bwget|python|\bjava/|"
    r"\bgo-http|\bruby|\bperl|\bphp|axios|node|postman|insomnia|uptime|pingdom",
    re.IGNORECASE,
)
# In this order: most browsers also name those that they descend from.
BROWSERS = (
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/")),
    ("Opera", re.compile(r"\bOPR/|\bOpera\b|\bOPT/")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("Vivaldi", re.compile(r"\bVivaldi/")),
    ("DuckDuckGo", re.compile(r"\bDuckDuckGo/|\bDdg/")),
    ("Yandex", re.compile(r"\bYaBrowser/")),
    ("UC Browser", re.compile(r"\bUCBrowser/")),
    ("Firefox", re.compile(r"\bFirefox/|\bFxiOS/")),
    ("Chrome", re.compile(r"\bChrome/|\bCriOS/|\bChromium/")),
    ("Safari", re.compile(r"\bVersion/\S+.*\bSafari/")),
    ("Internet Explorer", re.compile(r"\bMSIE |\bTrident/")),
)
PLATFORMS = (
    ("Android", re.compile(r"\bAndroid\b")),
    ("iOS", re.compile(r"\biPhone\b|\biPad\b|\biPod\b")),
    ("Windows", re.compile(r"\bWindows\b")),
    ("macOS", re.compile(r"\bMacintosh\b|\bMac OS X\b")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("Linux", re.compile(r"\bLinux\b|\bX11\b")),
)


class Agent(NamedTuple):
    bot: bool
    browser: str
    platform: str


def agent_of(text: str) -> Agent:
    """By what a browser calls itself, plain or percent-encoded; saying nothing is a bot's way."""
    text = unquote(text) if "%" in text else text
    if text in {"", "-"} or BOT.search(text):
        return Agent(True, OTHER, OTHER)
    return Agent(False, first(BROWSERS, text), first(PLATFORMS, text))


def first(choices: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> str:
    return next((name for name, sign in choices if sign.search(text)), OTHER)
