"""Usage as files that a spreadsheet opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import to_text
from chalicelib.core.errors import TooLarge
from chalicelib.edge.sheets import sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chalice.app import Response

    from chalicelib.licenses.service import Ownership
    from chalicelib.storage.dynamo import Item
    from chalicelib.usage.reports import Selection
    from chalicelib.usage.rules import Use

MOST = 15_000  # lines; a Lambda's answer holds six megabytes
DAYS = ("day", "application", "license", "computer", "label", "milliseconds")
INTERVALS = (
    "started_at", "ended_at", "milliseconds", "application", "license", "computer", "label",
    "release", "launch_id", "segment", "lease", "ended_by", "rate", "currency", "terms",
)  # fmt: skip


class TooManyLines(TooLarge):
    code = "too_many_lines"
    title = "This is more than one file holds"
    detail = f"A file holds {MOST} lines at most. Choose a month, an application or a computer."


def days(
    owned: Iterable[Ownership], uses: Sequence[Use], labels: Mapping[str, str],
    selection: Selection,
) -> Response:  # fmt: skip
    """A line for each day, license and computer, in UTC days."""
    names = {each.application: each.application_name for each in owned}
    lines = [
        (use.day, names[use.application], use.license, use.computer,
         labels.get(use.computer, ""), use.milliseconds)
        for use in uses
    ]  # fmt: skip
    return answer("days", DAYS, lines, selection)


def intervals(
    owned: Iterable[Ownership], rows: Sequence[Item], labels: Mapping[str, str],
    selection: Selection,
) -> Response:  # fmt: skip
    """A line for each interval; `rate` is in millionths of the smallest unit of money an hour."""
    names = {each.application: each.application_name for each in owned}
    lines = [
        (to_text(row["started_at"]), to_text(row["ended_at"]), row["ended_at"] - row["started_at"],
         names[row["application"]], row["license"], row["computer"],
         labels.get(row["computer"], ""), row.get("release") or "", row["launch_id"],
         row["segment_no"], row["lease"], row["by"], row["rate"], row["currency"], row["terms"])
        for row in rows
    ]  # fmt: skip
    return answer("intervals", INTERVALS, lines, selection)


def answer(
    kind: str, header: Sequence[str], lines: Sequence[Sequence[Any]], selection: Selection
) -> Response:
    """TooManyLines rather than a file that is cut short."""
    if len(lines) > MOST:
        raise TooManyLines
    return sheet(f"cetrus-usage-{kind}-{selection.month or 'all'}.csv", header, lines)
