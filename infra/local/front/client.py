"""What a test or the demonstration asks of a running cloud, in plain calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from pathlib import Path

LONG = 300.0
"""Seconds to wait for an answer: moving the clock by a month runs every schedule on the way."""


class Control:
    """The control surface of one running cloud; a refused call raises httpx.HTTPStatusError."""

    def __init__(self, app: str) -> None:
        self._http = httpx.Client(base_url=f"{app}/_local", timeout=LONG)

    def close(self) -> None:
        self._http.close()

    def seed(self) -> dict[str, Any]:
        return dict(self._get("/seed"))

    def mail(self, to: str | None = None) -> list[dict[str, Any]]:
        """Return the mails sent, oldest first."""
        return list(self._get("/mail", to=to))

    def receive(self, raw: bytes) -> None:
        """Have a message arrive, in MIME."""
        self._post("/mail", content=raw)

    def now(self) -> str:
        return str(self._get("/clock")["now"])

    def advance(self, seconds: float) -> str:
        """Move the clock on, running what comes due; return the new instant."""
        return str(self._post("/clock", json={"advance": seconds})["now"])

    def freeze(self, frozen: bool = True) -> None:
        self._post("/clock", json={"freeze": frozen})

    def run(self, function: str) -> Any:
        """Run a scheduled function now and return what it returned."""
        return self._post(f"/run/{quote(function)}")["result"]

    def settle(self) -> None:
        self._post("/settle")

    def deploy(self, archive: Path) -> None:
        """Run functions from another deployment package, until the cloud starts anew."""
        self._post("/deploy", json={"zip": str(archive)})

    def schedules(self, mode: str) -> None:
        self._post("/schedules", json={"mode": mode})

    def calls(self, since: int = 0, function: str | None = None) -> list[dict[str, Any]]:
        return list(self._get("/calls", since=since, function=function))

    def fault(self, kind: str, **fault: Any) -> None:
        """Set a fault: `service`, `action`, `function`, `nth` and `times` narrow it down."""
        self._post("/faults", json={"kind": kind, **fault})

    def clear_faults(self) -> None:
        self._http.delete("/faults").raise_for_status()

    def dump(self) -> dict[str, Any]:
        return dict(self._get("/dump"))

    def object(self, bucket: str, key: str) -> bytes:
        answer = self._http.get(f"/objects/{quote(bucket)}/{quote(key)}")
        return answer.raise_for_status().content

    def logs(self, function: str | None = None) -> list[dict[str, Any]]:
        return list(self._get("/logs", function=function))

    def queues(self) -> dict[str, Any]:
        return dict(self._get("/queues"))

    def requests(self) -> list[dict[str, Any]]:
        return list(self._get("/requests"))

    def _get(self, path: str, **query: Any) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        return self._http.get(path, params=given).raise_for_status().json()

    def _post(self, path: str, **body: Any) -> Any:
        return self._http.post(path, **body).raise_for_status().json()
