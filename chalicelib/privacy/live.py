"""Where the nightly check looks, put together: it reads, and opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import HOUR, to_datetime
from chalicelib.privacy import statement
from chalicelib.privacy.ledger import Ledger
from chalicelib.privacy.night import Live
from chalicelib.privacy.rules import policy
from chalicelib.privacy.store import VaultStore

if TYPE_CHECKING:
    from chalicelib.privacy.heads import Heads
    from chalicelib.privacy.published import Published
    from chalicelib.storage.dynamo import Table
    from chalicelib.storage.objects import Bucket


def live(
    heads: Heads, accounts: Table, keys: Table, raw_files: Bucket, published: Published
) -> Live:
    def mail_state(message_id: str) -> tuple[str, str] | None:
        item = accounts.get(f"MESSAGE#{message_id}", "MESSAGE")
        return (item["class"], item["state"]) if item else None

    def overdue(now: int) -> int:
        """By each row's own `due`: the sweep moves the index ahead at each try that failed."""
        found = accounts.index("gsi1", "gsi1pk", "LEAVING_DUE", range_name="gsi1sk")
        rows = [accounts.get(key.pk, "LEAVING") for key in found]
        return sum(1 for row in rows if row and row["due"] <= now - HOUR)

    def spent(now: int) -> dict[str, Any]:
        year = str(to_datetime(now).year)
        item = accounts.get(f"EPSILON#{year}", "EPSILON") or {}
        return {"year": year, "thousandths": int(item.get("spent", 0))}

    return Live(
        heads, Ledger(accounts), VaultStore(accounts, keys), raw_files, mail_state,
        lambda: statement_in_force(published), overdue, spent,
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
    return {"version": number, "id": policy(number).id, "as_published": as_published}
