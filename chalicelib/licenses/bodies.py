"""The bodies of the license calls."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.signing import MAX_COMPACT
from chalicelib.edge.bodies import public_key, text, whole
from chalicelib.licenses.rules import MAX_SEGMENT

ID = r"[A-Za-z0-9_-]{1,64}"
LAUNCH_ID = r"[A-Za-z0-9._:~-]{1,64}"
RELEASE = r"[A-Za-z0-9.+_-]{1,40}"


@dataclass(frozen=True, slots=True)
class CheckBody:
    application: str = text(longest=64, pattern=ID)
    license_id: str | None = text(longest=64, pattern=ID, optional=True)
    license_key: str | None = text(longest=128, optional=True)
    release: str | None = text(longest=40, pattern=RELEASE, optional=True)
    computer: dict[str, str] | None = public_key(optional=True)  # noqa: RUF009 - a field, not a key


@dataclass(frozen=True, slots=True)
class LaunchBody:
    application: str = text(longest=64, pattern=ID)
    launch_id: str = text(longest=64, pattern=LAUNCH_ID)
    computer: dict[str, str] = public_key()  # noqa: RUF009 - as above
    segment: int | None = whole(most=MAX_SEGMENT, optional=True)
    release: str | None = text(longest=40, pattern=RELEASE, optional=True)
    license_id: str | None = text(longest=64, pattern=ID, optional=True)


@dataclass(frozen=True, slots=True)
class HeartbeatBody:
    lease: str = text(longest=MAX_COMPACT)
    seq: int = whole(least=1)
    shown: str | None = text(longest=2048, optional=True)


@dataclass(frozen=True, slots=True)
class EndBody:
    lease: str = text(longest=MAX_COMPACT)
