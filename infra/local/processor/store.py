"""The simulator's memory: one SQLite file, one connection, one transaction a request."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.local.processor.errors import JsonObject

_SCHEMA = """
create table if not exists objects(
    seq integer primary key autoincrement, id text unique not null, kind text not null,
    created integer not null, body text not null);
create index if not exists objects_by_kind on objects(kind, seq);
create index if not exists open_sessions on objects(json_extract(body, '$.expires_at'))
    where kind = 'checkout.session' and json_extract(body, '$.status') = 'open';
create table if not exists replies(
    key text primary key, path text not null, fingerprint text not null, status integer not null,
    body text not null, base text not null, at real not null);
create table if not exists queue(
    seq integer primary key autoincrement, event text not null, endpoint text not null,
    due real not null, rank integer not null, ordinal integer not null,
    attempt integer not null, skew integer not null);
create table if not exists attempts(
    seq integer primary key autoincrement, event text not null, body text not null);
create table if not exists settings(name text primary key, value text not null);
"""

KEPT_ATTEMPTS = 5_000


class Store:
    """Objects, replies, deliveries and settings; every use happens inside `transaction()`."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing; other threads wait. Nested uses join the outer one."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        return self._db.execute(sql, values).fetchall()

    def run(self, sql: str, *values: Any) -> int:
        """Run a statement; answer the row id it inserted."""
        return self._db.execute(sql, values).lastrowid or 0

    # objects

    def find(self, object_id: str) -> JsonObject | None:
        rows = self.rows("select body from objects where id = ?", object_id)
        return json.loads(rows[0]["body"]) if rows else None

    def put(self, thing: JsonObject) -> None:
        self.run(
            "insert into objects(id, kind, created, body) values (?, ?, ?, ?)"
            " on conflict(id) do update set body = excluded.body",
            thing["id"],
            thing["object"],
            thing["created"],
            json.dumps(thing),
        )

    def newest(self, kind: str) -> list[JsonObject]:
        """Every object of a kind, newest first."""
        rows = self.rows("select body from objects where kind = ? order by seq desc", kind)
        return [json.loads(row["body"]) for row in rows]

    def open_sessions(self) -> list[JsonObject]:
        """The checkout sessions that wait for a person, the next to expire first."""
        rows = self.rows(
            "select body from objects where kind = 'checkout.session'"
            " and json_extract(body, '$.status') = 'open'"
            " order by json_extract(body, '$.expires_at')"
        )
        return [json.loads(row["body"]) for row in rows]

    # settings

    def setting(self, name: str, default: Any = None) -> Any:
        rows = self.rows("select value from settings where name = ?", name)
        return json.loads(rows[0]["value"]) if rows else default

    def set(self, name: str, value: Any) -> None:
        self.run("insert or replace into settings values (?, ?)", name, json.dumps(value))

    def count(self, name: str) -> int:
        """The next number of a series that never repeats, from 1."""
        number = int(self.setting(name, 0)) + 1
        self.set(name, number)
        return number

    def forget(self) -> None:
        """Drop everything but settings: numbers and endpoints go on."""
        for table in ("objects", "replies", "queue", "attempts"):
            self.run(f"delete from {table}")  # noqa: S608 - names from the line above
