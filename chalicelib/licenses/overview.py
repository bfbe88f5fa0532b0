"""What a person sees of their licenses: computers, what runs now, seats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.licenses import items
from chalicelib.licenses.status import left_of, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from chalicelib.licenses.service import Licenses, Ownership
    from chalicelib.licenses.values import Computer, Head, Lease
    from chalicelib.storage.dynamo import Item

PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class Overview:
    """`state` and `left` are in words; `counted_to`: all that started before is in the totals."""

    owned: Ownership
    standing: str
    state: str
    left: str
    has_key: bool
    seats: int | None
    computers: tuple[Computer, ...]
    running: tuple[Lease, ...]
    counted_to: int


@dataclass(frozen=True, slots=True)
class Place:
    """A computer under a license, as the list of computers shows it."""

    owned: Ownership
    computer: Computer
    label: str
    seen_at: int
    running: int

    def answers_to(self, words: str) -> bool:
        """Whether label, key or application hold what was typed, in any case."""
        named = (self.label, self.computer.id, self.owned.application_name)
        return any(words in name.casefold() for name in named)


@dataclass(frozen=True, slots=True)
class Machine:
    """One computer, with its place under each license that it launched on."""

    id: str
    label: str
    places: tuple[Place, ...]

    @property
    def turn(self) -> tuple[int, int, str]:
        """What runs first, then what was seen last."""
        running = sum(place.running for place in self.places)
        return -running, -max(place.seen_at for place in self.places), self.id


def overview(licenses: Licenses, owned: Ownership, now: int) -> Overview | None:
    """As it stands now, from the license partition alone."""
    found = licenses.store.partition(owned.license)
    view = items.view(found)
    head = view.head
    if head is None:
        return None
    return Overview(
        owned=owned,
        standing=head.standing,
        state=state_of(head, view.room, now),
        left=left_of(head, view.room, now),
        has_key=head.key_hash is not None,
        seats=len(head.slots) if head.slots is not None else None,
        computers=tuple(sorted(view.computers.values(), key=lambda found: found.added_at)),
        running=running_now(found, head, now),
        counted_to=counted_to(found, head),
    )


def of_account(licenses: Licenses, account_id: str, now: int) -> list[Overview]:
    owned = licenses.of_account(account_id)
    return [found for each in owned if (found := overview(licenses, each, now))]


def running_now(found: Sequence[Item], head: Head, now: int) -> tuple[Lease, ...]:
    leases = (items.lease(item, head) for item in items.open_leases(found))
    return tuple(lease for lease in leases if lease.live(now))


def counted_to(found: Sequence[Item], head: Head) -> int:
    marks = (item["reached"] for item in found if item["sk"] == "WATERMARK")
    return next(marks, head.granted_at)


def find_computers(
    found: Sequence[Overview], labels: Mapping[str, str], query: str, page: int
) -> dict[str, Any]:
    """A page of the computers that answer to what was typed: what runs first, then by last use.

    A computer is one, however many applications and licenses it launches.
    """
    machines, words = machines_of(found, labels), query.strip().casefold()
    chosen = [each for each in machines if any(place.answers_to(words) for place in each.places)]
    chosen.sort(key=lambda machine: machine.turn)
    first = (page - 1) * PAGE_SIZE
    return {
        "machines": chosen[first : first + PAGE_SIZE], "query": query[:60], "count": len(chosen),
        "page": page, "pages": -(-len(chosen) // PAGE_SIZE), "known": len(machines),
    }  # fmt: skip


def machines_of(found: Sequence[Overview], labels: Mapping[str, str]) -> list[Machine]:
    under: dict[str, list[Place]] = {}
    for place in (place for each in found for place in places_of(each, labels)):
        under.setdefault(place.computer.id, []).append(place)
    return [Machine(id_, places[0].label, tuple(places)) for id_, places in under.items()]


def places_of(under: Overview, labels: Mapping[str, str]) -> Iterator[Place]:
    for computer in under.computers:
        leases = [lease for lease in under.running if lease.computer == computer.id]
        seen = [computer.added_at, computer.seen_at or 0, *(lease.seen for lease in leases)]
        label = labels.get(computer.id, "")
        yield Place(under.owned, computer, label, max(seen), len(leases))
