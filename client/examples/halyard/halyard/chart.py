"""Bars from a common zero line, as text and as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from halyard.table import Column

LONGEST_LABEL = 16
ROW, LEFT, BAR_WIDTH, RIGHT = 22, 130, 420, 80
TOP = 40


def draw_text(column: Column, width: int) -> str:
    """One line a row: label, bar, number."""
    labels = [label[:LONGEST_LABEL] for label in column.labels]
    numbers = [f"{value:g}" for value in column.values]
    label_width = max(map(len, labels))
    number_width = max(map(len, numbers))
    room = max(10, width - label_width - number_width - 4)
    low, high = _limits(column)
    lines = [f"{column.name}: {column.summary()}"]
    for label, number, value in zip(labels, numbers, column.values, strict=True):
        start, end = sorted((_place(0, low, high, room), _place(value, low, high, room)))
        bar = " " * start + "#" * max(end - start, 1 if value else 0)
        lines.append(f"{label:<{label_width}}  {bar:<{room}}  {number:>{number_width}}")
    return "\n".join(lines)


def draw_svg(column: Column) -> str:
    """A whole SVG document with a title and every number beside its bar."""
    low, high = _limits(column)
    height = TOP + ROW * len(column.values) + 10
    width = LEFT + BAR_WIDTH + RIGHT
    rows = [_svg_row(column, index, low, high) for index in range(len(column.values))]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="13" role="img">'
        f"<title>{escape(column.name)}</title><desc>{escape(column.summary())}</desc>"
        f'<text x="8" y="22" font-size="16">{escape(column.name)}</text>{"".join(rows)}</svg>\n'
    )


def _svg_row(column: Column, index: int, low: float, high: float) -> str:
    value, y = column.values[index], TOP + ROW * index
    start, end = sorted((_place(0, low, high, BAR_WIDTH), _place(value, low, high, BAR_WIDTH)))
    return (
        f'<text x="8" y="{y + 13}">{escape(column.labels[index][:LONGEST_LABEL])}</text>'
        f'<rect x="{LEFT + start}" y="{y}" width="{end - start}" height="16" fill="#246"/>'
        f'<text x="{LEFT + end + 6}" y="{y + 13}">{value:g}</text>'
    )


def _limits(column: Column) -> tuple[float, float]:
    """Always with zero, so that a bar's length is its number."""
    low, high = min(0.0, *column.values), max(0.0, *column.values)
    return (low, high) if high > low else (0.0, 1.0)


def _place(value: float, low: float, high: float, room: int) -> int:
    return round((value - low) / (high - low) * room)
