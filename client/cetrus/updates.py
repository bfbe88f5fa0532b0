"""Whether there is a newer release: asked at most once a day, beside the program, never before it.

What is asked is what installing asks; nothing else is told to anybody. Only a release that both the
vendor and Cetrus signed is an update, and never an older one. Whatever goes wrong is left for the
next day: a computer without a network hears nothing of it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cetrus import state
from cetrus.errors import BadRelease, CetrusError
from cetrus.installing import Installer
from cetrus.versions import is_newer

if TYPE_CHECKING:
    from pathlib import Path

    from cetrus.credentials import Credential
    from cetrus.releases import Release
    from cetrus.session import Session

log = logging.getLogger("cetrus")

DAY_MS = 86_400_000
# What a look that is under way may take of the end of a program that ran for a moment only.
LINGER_S = 1.0
OFF_VARIABLE = "CETRUS_UPDATE_CHECK"


class Copy(Protocol):
    """A program as it is here: under which name it is asked for, which one it is, how old."""

    @property
    def asked(self) -> str: ...

    @property
    def application(self) -> str: ...

    @property
    def version(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Running:
    """The copy that runs, where it was not installed by the launcher."""

    asked: str
    application: str
    version: str


class Updates:
    """What is known of newer releases at one server, one small file an application."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def known(self, installed: Copy) -> str | None:
        """The newer version that an earlier look found; asks nobody."""
        stored = state.read_json(self._path(installed.application)) or {}
        version = stored.get("version")
        newer = isinstance(version, str) and is_newer(version, installed.version)
        return version if newer else None

    def look(self, installed: Copy, credential: Credential) -> Release:
        """Asks now: the newest release on offer, newer than the installed one or not."""
        release = Installer(self._session).describe(installed.asked, credential)
        if release.application != installed.application:
            raise BadRelease(f"What is offered as {installed.asked} is another application.")
        self._note(installed, release.version)
        return release

    def look_daily(self, installed: Copy, credential: Credential) -> str | None:
        """The version that is out, as the look of the day or an earlier one found; never raises."""
        if self._take_turn(installed):
            self._look_quietly(installed, credential)
        return self.known(installed)

    def look_beside(self, installed: Copy, credential: Credential) -> threading.Thread | None:
        """The look of the day in a thread of its own, or None where it was had or is off."""
        if not self._take_turn(installed):
            return None
        looking = threading.Thread(
            target=self._look_quietly, args=(installed, credential), name="cetrus-updates",
            daemon=True,
        )  # fmt: skip
        looking.start()
        return looking

    def _take_turn(self, installed: Copy) -> bool:
        """Whether to look now; noted before it is asked, so that what fails is not tried again."""
        try:
            if os.environ.get(OFF_VARIABLE) == "0" or not self._is_due(installed):
                return False
            self._note(installed, None)
        except CetrusError as error:
            log.info("cetrus: no look for updates: %s", error)
            return False
        return True

    def _look_quietly(self, installed: Copy, credential: Credential) -> None:
        try:
            self.look(installed, credential)
        except (CetrusError, OSError) as error:
            log.info("cetrus: no news of updates today: %s", error)
        except Exception:
            log.exception("cetrus: the look for updates failed; the program is not affected")

    def _is_due(self, installed: Copy) -> bool:
        """A clock that was set back does not silence it for good."""
        at = (state.read_json(self._path(installed.application)) or {}).get("at_ms")
        age = self._session.clock.wall_ms() - at if type(at) is int else DAY_MS
        return not 0 <= age < DAY_MS

    def _note(self, installed: Copy, version: str | None) -> None:
        """What is known from now on; without a version only that it was asked."""
        kept = version or self.known(installed)
        found = {"at_ms": self._session.clock.wall_ms(), "version": kept}
        state.write_json(self._path(installed.application), found)

    def _path(self, application: str) -> Path:
        name = hashlib.sha256(application.encode()).hexdigest()[:32]
        return self._session.folder / "updates" / f"{name}.json"
