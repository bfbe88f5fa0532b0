"""The library's front: one application at one server, for the user of this computer."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Self

from cetrus.credentials import renew
from cetrus.keeper import Events
from cetrus.names import find_id
from cetrus.session import Session
from cetrus.starting import UNKNOWN, Starter
from cetrus.updates import Running, Updates

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType

    from cetrus.borrowed import BorrowedLaunch
    from cetrus.credentials import Credential
    from cetrus.launch import Launch
    from cetrus.leases import Screen, Verdict


class Client:
    """Checks and launches one application, named by its id or its short name."""

    def __init__(
        self,
        application: str,
        *,
        server: str | None = None,
        license_key: str | None = None,
        session: Session | None = None,
        signed_in_to: str | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.application = application
        self.session = session or Session(server)
        self._license_key = license_key
        # The name under which the person signed in, where it is not the one given here.
        self._signed_in_to = signed_in_to or application
        self._rng = rng or random.Random()  # noqa: S311 - jitter is no secret

    @property
    def credential(self) -> Credential:
        return self.session.credential(self._signed_in_to, self._license_key)

    def check(self, *, release: str | None = None, license_id: str | None = None) -> Verdict:
        """What a launch would be told now; takes no seat and costs nothing."""
        body = self._body(release, license_id)
        body["computer"] = self.session.api.computer.jwk
        verdict = self.session.api.check(body, self.credential)
        # A license bought since the token was issued is not in it.
        if verdict.code == UNKNOWN and renew(self.credential):
            return self.session.api.check(body, self.credential)
        return verdict

    def launch(
        self,
        *,
        show: Callable[[Screen], Any] | None = None,
        on_stop: Callable[[str, datetime], Any] | None = None,
        events: Events | None = None,
        release: str | None = None,
        license_id: str | None = None,
    ) -> Launch | BorrowedLaunch:
        """A lease for this start of the program, renewed in the background until it is closed.

        `show` must let the person see the launch screen before it returns: its return is what
        confirms the screen, and an error of it ends the lease and is raised here. Raises Refused
        on a signed no, SignInNeeded, Problem, and Unreachable where no lease of an earlier start
        still allows to run. A start after a crash is the same launch; nothing is charged twice.
        """
        told = events or Events(show=show, on_stop=on_stop)
        body = self._body(release, license_id)
        return Starter(self.session, self.credential, body, told, self._rng).start()

    def newer_release(self, release: str) -> str | None:
        """The version of a release newer than this one, signed by vendor and Cetrus, or None.

        Asks at most once a day and answers from what it knows in between; None where nobody
        answers. It may take as long as a call takes, so ask beside the program's own work.
        """
        application = find_id(self.session, self.application, self.credential)
        running = Running(self._signed_in_to, application, release)
        return Updates(self.session).look_daily(running, self.credential)

    def _body(self, release: str | None, license_id: str | None) -> dict[str, Any]:
        chosen = {"release": release, "license_id": license_id}
        given = {name: value for name, value in chosen.items() if value is not None}
        application = find_id(self.session, self.application, self.credential)
        return {"application": application, **given}

    def close(self) -> None:
        self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
