"""Pages out of templates: everything put in is escaped, unless it is a Fragment."""

import html
from functools import cache
from pathlib import Path
from string import Template

_FOLDER = Path(__file__).with_name("pages")
SIMULATED = "No real card is taken and no money moves."


class Fragment(str):
    """Markup that was made here, from escaped parts."""

    __slots__ = ()


@cache
def asset(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def escape(value: object) -> str:
    return value if isinstance(value, Fragment) else html.escape(str(value), quote=True)


def fill(name: str, **values: object) -> Fragment:
    """A template of this folder with its placeholders filled; a missing one is an error."""
    return inline(asset(name), **values)


def inline(template: str, **values: object) -> Fragment:
    safe = {key: escape(value) for key, value in values.items()}
    return Fragment(Template(template).substitute(safe))


def join(parts: "list[Fragment] | list[str]", separator: str = "\n") -> Fragment:
    return Fragment(separator.join(escape(part) for part in parts))


def page(title: str, main: Fragment, *, width: str = "", notice: str = SIMULATED) -> bytes:
    whole = fill("layout.html", title=f"{title} - simulated", main=main, width=width, notice=notice)
    return whole.encode()
