"""Keys and conditions of the people of a license: invitations, memberships, and the head's set.

| table | pk | sk | holds |
|---|---|---|---|
| accounts | `PEOPLE#<license>` | `INVITED#<invitation>` | an invitation, and what became of it |
| accounts | `PEOPLE#<license>` | `PLACES` | how many are invited or members |
| accounts | `ACCOUNT#<member>` | `MEMBER#<license>` | what a member knows of the license |
| usage | `LICENSE#<license>` | `HEAD`, `WORK#<epoch>` | who may launch; what is left to do |
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, purge_at
from chalicelib.licenses import rules
from chalicelib.licenses.store import license_pk
from chalicelib.storage.dynamo import ABSENT, PRESENT

if TYPE_CHECKING:
    from chalicelib.licenses.values import Head
    from chalicelib.storage.dynamo import Item, Table, Write

MOST_PEOPLE = 200  # invited or members, the owner aside
KEPT = 90 * DAY  # rows of what is over
PENDING, ACCEPTED, OVER = "pending", "accepted", "over"
LIVE, ENDED = "live", "ended"
USER, BILLING, BOTH = "user", "billing", "both"
MOST_PAYERS = 5  # members who get the receipts: a renewal writes them all at once


@dataclass(frozen=True, slots=True)
class Invitation:
    """`subject` is whose sealed address it was mailed to; `member` is who accepted it."""

    id: str
    license: str
    owner: str
    application: str
    application_name: str
    vendor: str
    plan: str
    plan_name: str
    role: str
    subject: str
    claim: str = field(repr=False)
    created_at: int
    ends_at: int
    state: str = PENDING
    member: str | None = None

    def waits(self, now: int) -> bool:
        return self.state == PENDING and now < self.ends_at


@dataclass(frozen=True, slots=True)
class Membership:
    """What a member knows of a license that somebody else pays for."""

    license: str
    owner: str
    application: str
    application_name: str
    vendor: str
    plan: str
    plan_name: str
    role: str
    invitation: str
    joined_at: int


INVITATION_FACTS = tuple(name for name in Invitation.__slots__ if name not in {"id", "state"})


class MemberStore:
    def __init__(self, accounts: Table, usage: Table) -> None:
        self.accounts, self.usage = accounts, usage

    def transact(self, *writes: Write) -> None:
        self.accounts.transact(*writes)

    # invitations

    def invitation(self, license_id: str, invitation_id: str) -> Invitation | None:
        item = self.accounts.get(f"PEOPLE#{license_id}", f"INVITED#{invitation_id}")
        return to_invitation(item) if item else None

    def invitations(self, license_id: str) -> list[Invitation]:
        """Pending and accepted ones, and those whose rows are not purged yet."""
        found = self.accounts.query(f"PEOPLE#{license_id}", prefix="INVITED#")
        return [to_invitation(item) for item in found]

    def payers(self, license_id: str) -> list[str]:
        """The members who get its receipts beside the owner: the first five of them."""
        found = [
            each for each in self.invitations(license_id)
            if each.state == ACCEPTED and each.role in {BILLING, BOTH}
        ]  # fmt: skip
        found.sort(key=lambda each: each.created_at)
        return [each.member for each in found[:MOST_PAYERS] if each.member]

    def put_invitation(self, invitation: Invitation) -> Write:
        """A new one, or in place of one that is over."""
        item = {name: getattr(invitation, name) for name in INVITATION_FACTS}
        return self.accounts.put(
            {
                "pk": f"PEOPLE#{invitation.license}", "sk": f"INVITED#{invitation.id}",
                "type": "invitation", "v": 1, "invited_state": invitation.state, **item,
            },
            f"{ABSENT} OR invited_state = :over", {":over": OVER},
        )  # fmt: skip

    def accept(self, invitation: Invitation, member: str, now: int) -> Write:
        """Pending becomes accepted, before its end."""
        return self.accounts.update(
            f"PEOPLE#{invitation.license}", f"INVITED#{invitation.id}",
            "SET invited_state = :accepted, #member = :member",
            {
                ":accepted": ACCEPTED, ":pending": PENDING, ":member": member, ":now": now,
                ":subject": invitation.subject,
            },
            condition="invited_state = :pending AND subject = :subject AND ends_at > :now",
            names={"#member": "member"},
        )  # fmt: skip

    def end_invitation(self, invitation: Invitation, now: int) -> Write:
        """As it was read, it is over."""
        return self.accounts.update(
            f"PEOPLE#{invitation.license}", f"INVITED#{invitation.id}",
            "SET invited_state = :over, purge_at = :purge",
            {
                ":over": OVER, ":seen": invitation.state, ":subject": invitation.subject,
                ":purge": purge_at(now + KEPT),
            },
            condition="invited_state = :seen AND subject = :subject",
        )  # fmt: skip

    def take_place(self, license_id: str) -> Write:
        return self.accounts.update(
            f"PEOPLE#{license_id}", "PLACES", "SET #type = :type, v = :one ADD taken :one",
            {":type": "places", ":one": 1, ":most": MOST_PEOPLE},
            condition="attribute_not_exists(taken) OR taken < :most", names={"#type": "type"},
        )  # fmt: skip

    def free_place(self, license_id: str) -> Write:
        return self.accounts.update(
            f"PEOPLE#{license_id}", "PLACES", "ADD taken :less", {":less": -1, ":none": 0},
            condition="taken > :none",
        )  # fmt: skip

    # memberships

    def membership(self, account: str, license_id: str) -> Membership | None:
        item = self.accounts.get(f"ACCOUNT#{account}", f"MEMBER#{license_id}")
        return to_membership(item) if item and item["member_state"] == LIVE else None

    def memberships(self, account: str) -> list[Membership]:
        found = self.accounts.query(f"ACCOUNT#{account}", prefix="MEMBER#")
        return [to_membership(item) for item in found if item["member_state"] == LIVE]

    def put_membership(self, account: str, membership: Membership) -> Write:
        """A new one, or in place of one that has ended."""
        return self.accounts.put(
            {
                "pk": f"ACCOUNT#{account}", "sk": f"MEMBER#{membership.license}",
                "type": "membership", "v": 1, "member_state": LIVE, **asdict(membership),
            },
            f"{ABSENT} OR member_state = :ended", {":ended": ENDED},
        )  # fmt: skip

    def end_membership(self, account: str, license_id: str, now: int) -> Write:
        return self.accounts.update(
            f"ACCOUNT#{account}", f"MEMBER#{license_id}",
            "SET member_state = :ended, purge_at = :purge",
            {":ended": ENDED, ":live": LIVE, ":purge": purge_at(now + KEPT)},
            condition="member_state = :live",
        )  # fmt: skip

    # the head's set of people

    def add_person(self, license_id: str, person: str) -> Write:
        """One more who may launch, unless the license was revoked."""
        return self.usage.update(
            license_pk(license_id), "HEAD", "ADD people :person",
            {":person": {person}, ":over": rules.REVOKED},
            condition=f"{PRESENT} AND standing <> :over",
        )  # fmt: skip

    def remove_person(self, head: Head, person: str) -> list[Write]:
        """One fewer, under a new epoch, with the row of the work that follows from it."""
        pk, epoch = license_pk(head.license), head.epoch + 1
        work = {"pk": pk, "sk": f"WORK#{epoch:06d}", "type": "work", "v": 1, "epoch": epoch}
        return [
            self.usage.update(
                pk, "HEAD", "SET epoch = :epoch DELETE people :person",
                {":epoch": epoch, ":was": head.epoch, ":person": {person}, ":one": person},
                condition="epoch = :was AND contains(people, :one)",
            ),
            self.usage.put(work, ABSENT),
        ]  # fmt: skip


def to_invitation(item: Item) -> Invitation:
    facts: Item = {name: item.get(name) for name in INVITATION_FACTS}
    return Invitation(item["sk"].removeprefix("INVITED#"), state=item["invited_state"], **facts)


def to_membership(item: Item) -> Membership:
    return Membership(**{name: item[name] for name in Membership.__slots__})
