"""Keys and conditions of staff.

| table | pk | sk | holds |
|---|---|---|---|
| accounts | `STAFF#<id>` | `STAFF` | a member: roles, state, verifier |
| accounts | `STAFFNAME#<keyed hash>` | `STAFFNAME` | whose name it is |
| usage | `STAFFSESSION#<keyed hash>` | `STAFFSESSION` | a session of one |

`gsi1` of a member is `STAFF_MAIL` / id while they work here and have an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.clock import purge_at
from chalicelib.staff.rules import Member, Role, StaffSession, State
from chalicelib.storage.dynamo import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.storage.dynamo import Item, Table, Write

VERSION = 1
MAILED = "STAFF_MAIL"
NOBODY = "stf_nobody"


def to_member(item: Item) -> Member:
    return Member(
        id=item["pk"].removeprefix("STAFF#"),
        name_claim=item["name_claim"],
        password=item["password"],
        roles=frozenset(map(Role, item["roles"])),
        state=State(item["state"]),
        epoch=item["epoch"],
        created_at=item["created_at"],
    )


class StaffStore:
    def __init__(self, accounts: Table, usage: Table) -> None:
        self.accounts, self.usage = accounts, usage

    def transact(self, *writes: Write) -> None:
        self.accounts.transact(*writes)

    def owner(self, name_claim: str) -> str | None:
        item = self.accounts.get(f"STAFFNAME#{name_claim}", "STAFFNAME")
        return str(item["staff_id"]) if item else None

    def member(self, member_id: str | None) -> Member | None:
        """One strong read, also where there is nobody to read."""
        item = self.accounts.get(f"STAFF#{member_id or NOBODY}", "STAFF")
        return to_member(item) if item else None

    def put_member(self, member: Member) -> Write:
        return self.accounts.put(
            {
                "pk": f"STAFF#{member.id}", "sk": "STAFF", "type": "staff", "v": VERSION,
                "name_claim": member.name_claim, "password": member.password,
                "roles": {str(role) for role in member.roles}, "state": str(member.state),
                "epoch": member.epoch, "created_at": member.created_at,
            },
            ABSENT,
        )  # fmt: skip

    def put_name(self, member: Member) -> Write:
        return self.accounts.put(
            {
                "pk": f"STAFFNAME#{member.name_claim}", "sk": "STAFFNAME", "type": "staff_name",
                "v": VERSION, "staff_id": member.id,
            },
            ABSENT,
        )  # fmt: skip

    def end(self, member: Member, now: int) -> Write:
        """Active becomes ended; every session is dead at once, and the name is free."""
        return self.accounts.update(
            f"STAFF#{member.id}", "STAFF",
            "SET #s = :ended, epoch = :next, ended_at = :now REMOVE gsi1pk, gsi1sk",
            {
                ":ended": str(State.ENDED), ":active": str(State.ACTIVE), ":epoch": member.epoch,
                ":next": member.epoch + 1, ":now": now,
            },
            condition="#s = :active AND epoch = :epoch", names={"#s": "state"},
        )  # fmt: skip

    def mailed(self, member_id: str) -> Write:
        """From here on they are written to, while they are here."""
        return self.accounts.update(
            f"STAFF#{member_id}", "STAFF", "SET gsi1pk = :mailed, gsi1sk = :id",
            {":mailed": MAILED, ":id": member_id, ":active": str(State.ACTIVE)},
            condition="#s = :active", names={"#s": "state"},
        )  # fmt: skip

    def written_to(self) -> Iterator[Member]:
        """Everybody who works here and gave an address, as each row says now."""
        nominated = self.accounts.index("gsi1", "gsi1pk", MAILED, range_name="gsi1sk")
        found = (self.member(key.pk.removeprefix("STAFF#")) for key in list(nominated))
        return (member for member in found if member and member.active)

    def free_name(self, member: Member) -> Write:
        return self.accounts.delete(
            f"STAFFNAME#{member.name_claim}", "STAFFNAME", "staff_id = :id", {":id": member.id}
        )

    # sessions

    def session(self, hashed: str) -> StaffSession | None:
        item = self.usage.get(f"STAFFSESSION#{hashed}", "STAFFSESSION")
        return StaffSession(item["staff_id"], item["epoch"], item["ends_at"]) if item else None

    def put_session(self, hashed: str, session: StaffSession) -> Write:
        return self.usage.put(
            {
                "pk": f"STAFFSESSION#{hashed}", "sk": "STAFFSESSION", "type": "staff_session",
                "v": VERSION, "staff_id": session.member, "epoch": session.epoch,
                "ends_at": session.ends_at, "purge_at": purge_at(session.ends_at),
            },
            ABSENT,
        )  # fmt: skip

    def delete_session(self, hashed: str) -> Write:
        return self.usage.delete(f"STAFFSESSION#{hashed}", "STAFFSESSION")
