"""Short names of applications, and the ids that leases name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cetrus import state
from cetrus.errors import Problem, Unreachable
from cetrus.releases import this_platform

if TYPE_CHECKING:
    from cetrus.credentials import Credential
    from cetrus.session import Session

ID_PREFIX = "app_"


def is_id(application: str) -> bool:
    return application.startswith(ID_PREFIX)


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
