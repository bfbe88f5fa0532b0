"""Pages: one Jinja2 environment over every feature's templates, escaping on."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.settings import settings

if TYPE_CHECKING:
    from jinja2 import Environment

    from chalicelib.edge.request import Request

PACKAGE = Path(__file__).parent.parent
ASSETS = Path(__file__).parent / "assets"


@cache
def environment() -> Environment:
    """Templates are named `<feature>/<file>`; an undefined name is an error, never blank."""
    from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined

    from chalicelib.edge import filters

    folders = {path.parent.name: FileSystemLoader(path) for path in PACKAGE.glob("*/templates")}
    found = Environment(
        loader=PrefixLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(filters.FILTERS)
    return found


@cache
def asset(name: str) -> tuple[bytes, str]:
    """An asset's bytes and the digest that its address carries."""
    data = (ASSETS / name).read_bytes()
    return data, hashlib.sha256(data).hexdigest()[:12]


@cache
def asset_path(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"/assets/{stem}.{asset(name)[1]}.{suffix}"


def support_address() -> str:
    return f"support@{settings().mail_domain}"


def render(request: Request, template: str, **values: Any) -> str:
    """The page's text; every page knows its base path and who is signed in."""
    return (
        environment()
        .get_template(template)
        .render(
            base=request.base,
            path=request.path,
            caller=request.caller,
            asset_path=asset_path,
            support=support_address(),
            **values,
        )
    )
