"""Mailings in `accounts`, with every condition of their states.

| item | pk | sk | gsi1 |
|---|---|---|---|
| mailing | MAILING#<id> | MAILING | MAILINGS_DUE / instant, until counted; scheduled; being sent |
| its place in the list | MAILINGS | <created, 15 digits>#<id> | |
| a launch screen, scheduled | SCREENS#<application> | <id> | |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import due_key
from chalicelib.mailings.rules import Content, Count, Mailing, Refusal, State
from chalicelib.mailings.texts import Channel, Kind
from chalicelib.storage.dynamo import ABSENT, ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.storage.dynamo import Item, Table, Write

DUE = "MAILINGS_DUE"
LIST = "MAILINGS"
NAMES = {"#s": "state"}


class MailingStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    # reading

    def mailing(self, mailing_id: str) -> Mailing | None:
        item = self.table.get(f"MAILING#{mailing_id}", "MAILING")
        return to_mailing(item) if item else None

    def newest(self, below: str | None) -> Iterator[tuple[str, Mailing]]:
        """Every mailing with its place in the list, the newest first."""
        for place in self.table.query(LIST, below=below, forward=False, limit=50):
            if found := self.mailing(place["mailing"]):
                yield place["sk"], found

    def due(self, now: int) -> list[str]:
        """What the index nominates: to be counted, or due and not written to everybody."""
        keys = self.table.index("gsi1", "gsi1pk", DUE, range_name="gsi1sk", up_to=due_key(now))
        return [key.pk.removeprefix("MAILING#") for key in keys]

    def screens(self, application: str) -> list[Mailing]:
        """The launch screens of an application that are scheduled, by one query."""
        return [to_mailing(item) for item in self.table.query(f"SCREENS#{application}")]

    # writing

    def draft(self, mailing: Mailing) -> list[Write]:
        place = {
            "pk": LIST, "sk": mailing.listed, "type": "mailing_listed", "v": 1,
            "mailing": mailing.id,
        }  # fmt: skip
        return [self.table.put(to_item(mailing), ABSENT), self.table.put(place, ABSENT)]

    def change(self, mailing: Mailing, content: Content) -> Write:
        """Another text in a draft, by its author."""
        return self._update(
            mailing.id, "SET content = :content",
            {":content": to_map(content), ":draft": State.DRAFT, ":author": mailing.author},
            "#s = :draft AND author = :author",
        )  # fmt: skip

    def submit(self, mailing: Mailing, now: int) -> Write:
        """The text is what it was when its hash was made, and stands from here on.

        The planner counts whom its mails could go to.
        """
        update, values = "SET #s = :next, sha256 = :hash", {
            ":next": State.SUBMITTED, ":hash": mailing.content.sha256, ":draft": State.DRAFT,
            ":content": to_map(mailing.content), ":author": mailing.author,
        }  # fmt: skip
        if mailing.channel is Channel.MAIL:
            update += ", gsi1pk = :due, gsi1sk = :key"
            values |= {":due": DUE, ":key": due_key(now)}
        return self._update(
            mailing.id, update, values, "#s = :draft AND author = :author AND content = :content"
        )

    def approve(self, mailing_id: str, seen: str, approver: str) -> Write:
        """The hash that was looked at is pinned, by somebody who is not the author."""
        return self._update(
            mailing_id, "SET #s = :next, approved = :seen, approver = :approver",
            {
                ":next": State.APPROVED, ":seen": seen, ":approver": approver,
                ":from": State.SUBMITTED,
            },
            "#s = :from AND sha256 = :seen AND author <> :approver",
        )  # fmt: skip

    def schedule(self, mailing: Mailing, at: int, until: int | None) -> list[Write]:
        """The planner takes it from `at` on; a launch screen is shown from then to `until`."""
        values: Item = {
            ":next": State.SCHEDULED, ":from": State.APPROVED, ":approved": mailing.approved,
            ":at": at,
        }  # fmt: skip
        condition = "#s = :from AND approved = :approved"
        if mailing.channel is Channel.MAIL:
            update = "SET #s = :next, #at = :at, gsi1pk = :due, gsi1sk = :key"
            values |= {":due": DUE, ":key": due_key(at)}
            return [self._update(mailing.id, update, values, condition, "at")]
        update = "SET #s = :next, #at = :at, #until = :until"
        values |= {":until": until}
        screen = to_item(mailing.scheduled(at, until)) | {
            "pk": f"SCREENS#{mailing.content.application}", "sk": mailing.id, "type": "screen",
        }  # fmt: skip
        return [
            self._update(mailing.id, update, values, condition, "at", "until"),
            self.table.put(screen),
        ]

    def stop(self, mailing: Mailing, to: State, refusal: Refusal | None = None) -> list[Write]:
        """Nothing more is written or handed over, and no screen is shown; from the state seen."""
        told = ""
        values: Item = {":to": to, ":seen": str(mailing.state)}
        if refusal:
            told = ", why = :why, refuser = :refuser, refused_at = :now"
            values |= {":why": refusal.why, ":refuser": refusal.by, ":now": refusal.at}
        update = f"SET #s = :to{told} REMOVE gsi1pk, gsi1sk"
        write = self._update(mailing.id, update, values, "#s = :seen")
        if mailing.channel is Channel.MAIL or mailing.state is not State.SCHEDULED:
            return [write]
        pk = f"SCREENS#{mailing.content.application}"
        return [write, self.table.delete(pk, mailing.id)]

    # the planner's

    def counted(self, mailing: Mailing, count: Count) -> None:
        """Keep the count of what waits; ConditionFailed where it is not waiting any more."""
        values = {
            ":people": count.people, ":now": count.at, ":submitted": State.SUBMITTED,
            ":approved": State.APPROVED,
        }  # fmt: skip
        update = "SET people = :people, counted_at = :now REMOVE gsi1pk, gsi1sk"
        condition = "#s IN (:submitted, :approved)"
        self.table.apply(self._update(mailing.id, update, values, condition))

    def begin(self, mailing: Mailing) -> None:
        """ConditionFailed where it is not scheduled any more."""
        values = {":next": State.SENDING, ":from": State.SCHEDULED, ":approved": mailing.approved}
        condition = "#s = :from AND approved = :approved"
        self.table.apply(self._update(mailing.id, "SET #s = :next", values, condition))

    def reached(self, mailing: Mailing, shard: int, account: str) -> Write:
        """All before and with this account have their message; refused once it was stopped."""
        return self._update(
            mailing.id, f"SET after{shard} = :after",
            {":after": account, ":from": State.SENDING}, "#s = :from",
        )  # fmt: skip

    def finish(self, mailing: Mailing) -> bool:
        """Everybody has a message; False where it was stopped before."""
        values = {":next": State.SENT, ":from": State.SENDING}
        update = "SET #s = :next REMOVE gsi1pk, gsi1sk"
        try:
            self.table.apply(self._update(mailing.id, update, values, "#s = :from"))
        except ConditionFailed:
            return False
        return True

    def _update(
        self, mailing_id: str, update: str, values: Item, condition: str, *reserved: str
    ) -> Write:
        names = NAMES | {f"#{name}": name for name in reserved}
        return self.table.update(
            f"MAILING#{mailing_id}", "MAILING", update, values, condition=condition, names=names
        )


def to_map(content: Content) -> dict[str, Any]:
    return {
        "kind": str(content.kind), "text": content.text, "fields": dict(content.fields),
        "application": content.application, "application_name": content.application_name,
    }  # fmt: skip


def to_item(mailing: Mailing) -> Item:
    return {
        "pk": f"MAILING#{mailing.id}",
        "sk": "MAILING",
        "type": "mailing",
        "v": 1,
        "id": mailing.id,
        "content": to_map(mailing.content),
        "author": mailing.author,
        "state": str(mailing.state),
        "created_at": mailing.created_at,
        "sha256": mailing.sha256,
        "approved": mailing.approved,
        "approver": mailing.approver,
        "at": mailing.at,
        "until": mailing.until,
    }


def to_mailing(item: Item) -> Mailing:
    told = item["content"]
    content = Content(
        Kind(told["kind"]), told["text"], told["fields"], told["application"],
        told["application_name"],
    )  # fmt: skip
    cursors = {int(name[5:]): item[name] for name in item if name.startswith("after")}
    return Mailing(
        item["id"], content, item["author"], State(item["state"]), item["created_at"],
        item.get("sha256"), item.get("approved"), item.get("approver"), item.get("at"),
        item.get("until"), cursors, to_count(item), to_refusal(item),
    )  # fmt: skip


def to_count(item: Item) -> Count | None:
    return Count(item["people"], item["counted_at"]) if "counted_at" in item else None


def to_refusal(item: Item) -> Refusal | None:
    """None also for what was refused before reasons were asked for."""
    found = "refused_at" in item
    return Refusal(item["why"], item["refuser"], item["refused_at"]) if found else None
