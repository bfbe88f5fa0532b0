"""Keys and conditions of addresses that are known for a while, and of an account's move to one.

| table | pk | sk | holds | index `gsi1` |
|---|---|---|---|---|
| accounts | `SUBJECT#<pseudonym>` | `GUEST` | known by one sealed address | `GUESTS` / end |
| accounts | `ACCOUNT#<id>` | `EMAIL_CHANGE` | the address that the account wants to move to | |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import FORGOT_WINDOW, Account, State
from chalicelib.accounts.store import VERSION, Claim
from chalicelib.core.clock import due_key, purge_at
from chalicelib.privacy.rules import Purpose
from chalicelib.storage.dynamo import ABSENT, PRESENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.storage.dynamo import Item, Table, Write

GUESTS = "GUESTS"
Spans = tuple[tuple[int, int], ...]
PENDING, DONE, STOPPED = "pending", "done", "stopped"


@dataclass(frozen=True, slots=True)
class Change:
    """A wish to move to another address: whose sealed address it is, and until when it may be.

    `claim` is the keyed hash of the new address, `chosen` the answers that were given beside it.
    """

    account: str
    subject: str
    claim: str = field(repr=False)
    asked_at: int
    ends_at: int
    state: str = PENDING
    chosen: Mapping[Purpose, bool] = field(default_factory=dict)

    def waits(self, now: int) -> bool:
        return self.state == PENDING and now < self.ends_at

    def just_asked(self, now: int) -> bool:
        return self.waits(now) and now < self.asked_at + FORGOT_WINDOW


def spans(undone: Spans) -> list[list[int]]:
    return [list(span) for span in undone]


class AddressStore:
    def __init__(self, accounts: Table) -> None:
        self.accounts = accounts

    def transact(self, *writes: Write) -> None:
        self.accounts.transact(*writes)

    # guests

    def put_guest(self, subject: str, ends_at: int | None, about: Item) -> Write:
        ends = {} if ends_at is None else {"gsi1pk": GUESTS, "gsi1sk": due_key(ends_at)}
        return self.accounts.put(
            {
                "pk": f"SUBJECT#{subject}", "sk": "GUEST", "type": "guest", "v": VERSION, **about,
                **ends,
            },
            ABSENT,
        )  # fmt: skip

    def guest(self, subject: str) -> Item | None:
        return self.accounts.get(f"SUBJECT#{subject}", "GUEST")

    def due_guests(self, now: int) -> Iterator[str]:
        """Whose time is over, as the index nominates them."""
        found = self.accounts.index(
            "gsi1", "gsi1pk", GUESTS, range_name="gsi1sk", up_to=due_key(now)
        )
        return (key.pk.removeprefix("SUBJECT#") for key in list(found))

    def stay(self, subject: str) -> Write:
        """Not for a while any more, but until somebody says `leave`."""
        return self.accounts.update(
            f"SUBJECT#{subject}", "GUEST", "REMOVE gsi1pk, gsi1sk",
            condition=f"{PRESENT} AND attribute_not_exists(ending)",
        )  # fmt: skip

    def mark_guest(self, subject: str, due: str) -> Write:
        """From here on it ends; refused where it is not due, as it was read, any more."""
        return self.accounts.update(
            f"SUBJECT#{subject}", "GUEST", "SET ending = :yes", {":yes": True, ":due": due},
            condition="gsi1sk = :due",
        )  # fmt: skip

    def leave(self, subject: str, now: int) -> Write:
        """The next sweep erases it."""
        return self.accounts.update(
            f"SUBJECT#{subject}", "GUEST", "SET gsi1pk = :guests, gsi1sk = :now",
            {":guests": GUESTS, ":now": due_key(now)}, condition=PRESENT,
        )  # fmt: skip

    def forget_guest(self, subject: str) -> Write:
        return self.accounts.delete(f"SUBJECT#{subject}", "GUEST")

    # the move of an account to another address

    def change(self, account: str) -> Change | None:
        item = self.accounts.get(f"ACCOUNT#{account}", "EMAIL_CHANGE")
        if item is None:
            return None
        names = ("subject", "claim", "asked_at", "ends_at")
        chosen = {Purpose(name): yes for name, yes in item.get("chosen", {}).items()}
        facts = {name: item[name] for name in names}
        return Change(account, **facts, state=item["change_state"], chosen=chosen)

    def put_change(self, change: Change, before: Change | None) -> Write:
        """The newest wish in place of the one that was read."""
        item = {
            "pk": f"ACCOUNT#{change.account}", "sk": "EMAIL_CHANGE", "type": "email_change",
            "v": VERSION, "subject": change.subject, "claim": change.claim,
            "asked_at": change.asked_at, "ends_at": change.ends_at, "change_state": change.state,
            "chosen": {str(purpose): yes for purpose, yes in change.chosen.items()},
            "purge_at": purge_at(change.ends_at),
        }  # fmt: skip
        if before is None:
            return self.accounts.put(item, ABSENT)
        return self.accounts.put(item, "subject = :before", {":before": before.subject})

    def end_change(self, account: str, subject: str, state: str) -> Write:
        """The wish for this very address, while it still stands."""
        return self.accounts.update(
            f"ACCOUNT#{account}", "EMAIL_CHANGE", "SET change_state = :to",
            {":to": state, ":pending": PENDING, ":subject": subject},
            condition="change_state = :pending AND subject = :subject",
        )  # fmt: skip

    def move(
        self, account: Account, claim: str, now: int, *, lock: str | None = None, undone: Spans = ()
    ) -> Write:  # fmt: skip
        """The account answers to another address, and links that were mailed before are dead.

        With `lock`, a verifier that no password fits, every session ends as well, and moves are
        known as taken back.
        """
        values: Item = {
            ":new": claim, ":old": account.email_claim, ":epoch": account.epoch, ":now": now,
            ":active": str(State.ACTIVE),
        }  # fmt: skip
        update = "SET email_claim = :new, addressed_at = :now"
        if lock is not None:
            update += ", password = :lock, epoch = :next, undone = :undone"
            values |= {":lock": lock, ":next": account.epoch + 1, ":undone": spans(undone)}
        return self.accounts.update(
            f"ACCOUNT#{account.id}", "ACCOUNT", update, values,
            condition="#s = :active AND email_claim = :old AND epoch = :epoch",
            names={"#s": "state"},
        )  # fmt: skip

    def end_sessions(self, account: Account) -> Write:
        return self.accounts.update(
            f"ACCOUNT#{account.id}", "ACCOUNT", "SET epoch = :next",
            {":next": account.epoch + 1, ":epoch": account.epoch}, condition="epoch = :epoch",
        )  # fmt: skip

    def lock(self, account: Account, verifier: str, undone: Spans) -> Write:
        """No password fits any more, and every session ends."""
        return self.accounts.update(
            f"ACCOUNT#{account.id}", "ACCOUNT",
            "SET password = :lock, epoch = :next, undone = :undone",
            {
                ":lock": verifier, ":next": account.epoch + 1, ":epoch": account.epoch,
                ":undone": spans(undone),
            },
            condition="epoch = :epoch",
        )  # fmt: skip

    def take_claim(self, claim: str, account: str) -> Write:
        return self.accounts.put(
            {
                "pk": f"EMAIL#{claim}", "sk": str(Claim.EMAIL), "type": "email_claim",
                "v": VERSION, "account": account,
            },
            ABSENT,
        )  # fmt: skip
