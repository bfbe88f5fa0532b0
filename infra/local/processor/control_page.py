"""The page at `GET /_sim/`: every control, as a person reads it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from infra.local.processor import html
from infra.local.processor.errors import JsonObject
from infra.local.processor.html import Fragment

_PANEL = (
    """<section class="panel" aria-labelledby="$id"><h2 id="$id">$heading</h2>$content</section>"""
)


def render(overview: JsonObject) -> bytes:
    main = html.join(
        [
            html.inline("<h1>Processor simulator</h1>$intro", intro=_intro(overview)),
            _panel("sessions", "Open checkouts", _sessions(overview["sessions"])),
            _panel("controls", "Controls", _controls(overview["controls"])),
            _panel("troubles", "Hostility now", _hostility(overview["hostility"])),
            _panel("cards", "Test cards", _cards(overview["cards"])),
            _panel("webhooks", "Webhook endpoints", _endpoints(overview["endpoints"])),
        ]
    )
    return html.page("Processor simulator", main)


def _panel(name: str, heading: str, content: Fragment) -> Fragment:
    return html.inline(_PANEL, id=name, heading=heading, content=content)


def _intro(overview: JsonObject) -> Fragment:
    return html.inline(
        "<p>It speaks the wire shape of a card processor and steers by the calls below. The same "
        "list is JSON for <code>Accept: application/json</code>. The clock says "
        "<strong>$now</strong>; $pending waiting to be delivered now.</p>",
        now=_instant(overview["now"]),
        pending=_count(overview["pending"], "webhook is", "webhooks are"),
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %b %Y, %H:%M:%S UTC")


def _sessions(sessions: list[JsonObject]) -> Fragment:
    if not sessions:
        return Fragment("<p>None. One appears here when the shop sends somebody to pay.</p>")
    rows = [
        [
            html.inline('<a href="/c/pay/$id">$id</a>', id=session["id"]),
            session["mode"],
            session["client_reference_id"] or "",
            _instant(session["expires_at"]),
        ]
        for session in sessions
    ]
    return _table(["Checkout", "Mode", "Reference", "Open until"], rows)


def _controls(controls: list[JsonObject]) -> Fragment:
    rows = [
        [
            html.inline(
                "<code>$method $path</code>", method=control["method"], path=control["path"]
            ),
            _control(control),
        ]
        for control in controls
    ]
    return _table(["Call", "Does"], rows)


def _control(control: JsonObject) -> Fragment:
    fields = [
        html.inline("<li><code>$name</code>: $meaning</li>", name=name, meaning=meaning)
        for name, meaning in control["fields"].items()
    ]
    listed = html.inline("<ul>$fields</ul>", fields=html.join(fields)) if fields else Fragment("")
    return html.inline(
        "<div>$does.</div>$listed<div>Answers $answers.</div>",
        does=control["does"],
        listed=listed,
        answers=control["answers"],
    )


def _hostility(current: JsonObject) -> Fragment:
    on = {name: value for name, value in current.items() if value}
    if not on:
        return Fragment("<p>None: every webhook arrives once, in order.</p>")
    rows = [[html.inline("<code>$name</code>", name=name), value] for name, value in on.items()]
    return _table(["Trouble", "Now"], rows)


def _cards(cards: list[JsonObject]) -> Fragment:
    rows = [
        [
            html.inline("<code>$number</code>", number=card["number"]),
            card["does"],
            html.inline("<code>$name</code>", name=card["behavior"]),
        ]
        for card in cards
    ]
    return _table(["Number", "What happens", "Behavior"], rows)


def _endpoints(endpoints: list[JsonObject]) -> Fragment:
    if not endpoints:
        return Fragment("<p>None yet.</p>")
    rows = [
        [
            html.inline("<code>$url</code>", url=endpoint["url"]),
            html.inline("<code>$secrets</code>", secrets=" ".join(endpoint["secrets"])),
        ]
        for endpoint in endpoints
    ]
    return _table(["Address", "Signed with"], rows)


def _table(heads: list[str], rows: Sequence[Sequence[object]]) -> Fragment:
    head = html.join([html.inline('<th scope="col">$head</th>', head=head) for head in heads], "")
    body = html.join([html.inline("<tr>$cells</tr>", cells=_cells(row)) for row in rows])
    return html.inline(
        '<table class="stacked"><thead><tr>$head</tr></thead><tbody>$body</tbody></table>',
        head=head,
        body=body,
    )


def _cells(row: Sequence[object]) -> Fragment:
    return html.join([html.inline("<td>$cell</td>", cell=cell) for cell in row], "")
