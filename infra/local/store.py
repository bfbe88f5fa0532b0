"""What the local cloud keeps in its data folder: a restart and even a `kill -9` lose nothing.

Every change is written here before the call that made it is answered: table items, objects,
parameters, key material, waiting messages, undelivered notifications, sent mail and schedules.
SQLite runs without fsync: the operating system keeps what a killed process wrote; only a power cut
may lose the last moments.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .errors import StaleDataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

FORMAT = 1
OWN = {"clock", "objects", "task", "runtime", "lock"}
TABLES = """
create table meta(name text primary key, value text not null);
create table things(kind text, owner text, name text, body text not null,
                    primary key(kind, owner, name)) without rowid;
"""


class Store:
    """Named JSON documents by (kind, owner, name), and files beside them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.files = folder / "objects"
        self._lock = threading.RLock()
        self._open(folder / "cloud.db")

    def _open(self, path: Path) -> None:
        if not path.exists() and any(entry.name not in OWN for entry in self.folder.iterdir()):
            raise StaleDataError(f"{self.folder} is not a data folder of the local cloud")
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise StaleDataError(
                f"{path} cannot be read ({error}): remove {self.folder}"
            ) from error

    def _prepare(self) -> None:
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")
        version = self._db.execute("pragma user_version").fetchone()[0]
        if version == 0:
            self._db.executescript(f"begin; {TABLES} pragma user_version={FORMAT}; commit;")
        elif version != FORMAT:
            raise StaleDataError(
                f"{self.folder} has format {version}, this program {FORMAT}: remove it"
            )
        self.files.mkdir(exist_ok=True)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write all of a block or, if the process dies, none of it."""
        with self._lock:
            self._db.execute("begin")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")

    def setting(self, name: str, default: str | None = None) -> str | None:
        with self._lock:
            row = self._db.execute("select value from meta where name=?", (name,)).fetchone()
        return row[0] if row else default

    def set_setting(self, name: str, value: str) -> None:
        with self._lock:
            self._db.execute("insert or replace into meta values(?,?)", (name, value))

    def seed(self) -> str:
        """A random text made once for this folder; physical names and ids derive from it."""
        found = self.setting("seed")
        if found is None:
            found = secrets.token_hex(16)
            self.set_setting("seed", found)
        return found

    def put(self, kind: str, owner: str, name: str, body: Any) -> None:
        self.change(kind, [(owner, name, body)])

    def remove(self, kind: str, owner: str, name: str) -> None:
        self.change(kind, [(owner, name, None)])

    def change(self, kind: str, rows: Sequence[tuple[str, str, Any]]) -> None:
        """Write (owner, name, body) rows in one transaction; a body of None removes the row."""
        with self._lock:
            if len(rows) == 1:
                self._write(kind, rows)
                return
            with self.together():
                self._write(kind, rows)

    def _write(self, kind: str, rows: Iterable[tuple[str, str, Any]]) -> None:
        for owner, name, body in rows:
            if body is None:
                self._db.execute(
                    "delete from things where kind=? and owner=? and name=?", (kind, owner, name)
                )
            else:
                self._db.execute(
                    "insert or replace into things values(?,?,?,?)",
                    (kind, owner, name, json.dumps(body, separators=(",", ":"))),
                )

    def all(self, kind: str) -> list[tuple[str, str, Any]]:
        """(owner, name, body) of a kind, ordered by owner and name."""
        with self._lock:
            rows = self._db.execute(
                "select owner, name, body from things where kind=? order by owner, name", (kind,)
            ).fetchall()
        return [(owner, name, json.loads(body)) for owner, name, body in rows]

    def get(self, kind: str, owner: str, name: str) -> Any:
        """The body, or None."""
        query = "select body from things where kind=? and owner=? and name=?"
        with self._lock:
            row = self._db.execute(query, (kind, owner, name)).fetchone()
        return json.loads(row[0]) if row else None

    def close(self) -> None:
        with self._lock:
            self._db.close()
