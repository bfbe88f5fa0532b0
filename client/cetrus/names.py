"""Short names of applications, and the ids that leases name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cetrus import state
from cetrus.errors import Problem, Unreachable
from cetrus.releases import this_platform

if TYPE_CHECKING:
    from cetrus.credentials import Credential
    from cetrus.session import Session

ID_PREFIX = "app_"


def is_id(application: str) -> bool:
    return application.startswith(ID_PREFIX)


def aliases(session: Session, application: str) -> set[str]:
    """The short name and the id of one application, as far as they are known here."""
    known = state.read_json(session.folder / "names.json") or {}
    return {application, *names_of(known, application)}


def names_of(known: dict[str, Any], application: str) -> list[str]:
    found = [name for name, id_ in known.items() if id_ == application]
    return [*found, str(known[application])] if application in known else found


def find_id(session: Session, application: str, credential: Credential) -> str:
    """The id of a short name, asked for once and kept; the name itself where none is known.

    The answer need not be signed: a lease is, and one for another id is refused.
    """
    path = session.folder / "names.json"
    known = state.read_json(path) or {}
    if is_id(application) or isinstance(known.get(application), str):
        return str(known.get(application, application))
    try:
        found = session.api.release(application, this_platform(), credential).get("application")
    except (Problem, Unreachable):
        return application
    if isinstance(found, str) and is_id(found):
        state.write_json(path, {**known, application: found})
        return found
    return application
