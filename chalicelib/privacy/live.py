"""Where the nightly check looks, put together: it reads, and opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY, HOUR, day_of, due_key, to_datetime
from chalicelib.privacy import statement
from chalicelib.privacy.ledger import Ledger
from chalicelib.privacy.night import Live
from chalicelib.privacy.published import first_versions
from chalicelib.privacy.rules import policy
from chalicelib.privacy.store import VaultStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chalicelib.privacy.heads import Heads
    from chalicelib.privacy.published import Published
    from chalicelib.privacy.timings import Times
    from chalicelib.storage.dynamo import Table
    from chalicelib.storage.objects import Bucket


def live(
    heads: Heads,
    accounts: Table,
    keys: Table,
    raw_files: Bucket,
    published: Published,
    times: Times,
    active: Callable[[str], bool],
    counters: Callable[[], dict[str, Any]],
) -> Live:
    def mails(start: int, end: int) -> Iterator[tuple[str, str, str]]:
        """Counted by their place in the index, which tells neither whose they are nor of what."""
        between = due_key(start), due_key(end)
        for instant in range(start // DAY * DAY, end, DAY):
            ended = f"MAIL_ENDED#{day_of(instant)}"
            found = accounts.index("gsi1", "gsi1pk", ended, range_name="gsi1sk", between=between)
            for message in found:
                _, mail_class, state, why = message.place.split("#")
                yield mail_class, state, why

    def overdue(now: int) -> int:
        """By each row's own `due`: the sweep moves the index ahead at each try that failed."""
        found = accounts.index("gsi1", "gsi1pk", "LEAVING_DUE", range_name="gsi1sk")
        rows = [accounts.get(key.pk, "LEAVING", only=("due",)) for key in found]
        return sum(1 for row in rows if row and row["due"] <= now - HOUR)

    def resting(account: str) -> dict[str, int]:
        """Since when each account rests whose id begins so, by the table that nothing restores."""
        found = keys.query("RESTS", prefix=f"ACCOUNT#{account}")
        return {item["sk"].removeprefix("ACCOUNT#"): item["at"] for item in found}

    def spent(now: int) -> dict[str, Any]:
        year = str(to_datetime(now).year)
        item = accounts.get(f"EPSILON#{year}", "EPSILON") or {}
        return {"year": year, "thousandths": int(item.get("spent", 0))}

    return Live(
        heads, Ledger(accounts), VaultStore(accounts, keys), raw_files, mails,
        lambda: statement_in_force(published), overdue, resting, active, spent,
        times.spread, counters,
    )  # fmt: skip


def statement_in_force(published: Published) -> dict[str, Any]:
    """The version that is in force, and whether its text is what was published."""
    number = published.number()
    try:
        statement.read(number)
        as_published = all(
            policy(one.number).id == one.id for one in published.history() if one.number == number
        )
    except statement.StatementAltered:
        as_published = False
    return {
        "version": number, "id": policy(number).id, "as_published": as_published,
        "first": list(first_versions()),
    }  # fmt: skip
