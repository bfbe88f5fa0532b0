"""What a person sees of their licenses: computers, what runs now, seats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.licenses import items

if TYPE_CHECKING:
    from chalicelib.licenses.service import Licenses, Ownership
    from chalicelib.licenses.values import Computer, Lease


@dataclass(frozen=True, slots=True)
class Overview:
    owned: Ownership
    standing: str
    has_key: bool
    seats: int | None
    computers: tuple[Computer, ...]
    running: tuple[Lease, ...]


def overview(licenses: Licenses, owned: Ownership, now: int) -> Overview | None:
    """As it stands now, from the license partition alone."""
    found = licenses.store.partition(owned.license)
    view = items.view(found)
    head = view.head
    if head is None:
        return None
    leases = (items.lease(item, head) for item in items.open_leases(found))
    return Overview(
        owned=owned,
        standing=head.standing,
        has_key=head.key_hash is not None,
        seats=len(head.slots) if head.slots is not None else None,
        computers=tuple(sorted(view.computers.values(), key=lambda found: found.added_at)),
        running=tuple(lease for lease in leases if lease.live(now)),
    )
