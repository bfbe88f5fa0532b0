"""Outbox rows in `accounts`, with every condition of a message's states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, day_of, due_key, purge_at
from chalicelib.mail.listing import lead
from chalicelib.mail.rules import (
    CLAIM_LIFE,
    LAWS,
    Lane,
    MailClass,
    Message,
    State,
    Why,
    classes_of,
)
from chalicelib.storage.dynamo import ABSENT, ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chalicelib.mail.rules import Cap
    from chalicelib.storage.dynamo import Item, Table, Write

SHARDS = 4
UNOPENED = frozenset({State.STALE, State.NO_RECIPIENT})
# Longer than a fact is looked at again. A policy change is, each week: who rested is told then.
KEPT = 90 * DAY
NAMES = {"#state": "state"}
LISTED = "SENT#"

# waiting ----due----> may be claimed        sending ----claimed_until----> the claim has lapsed
READY = "(#state = :waiting AND due <= :now)"
LAPSED = "(#state = :sending AND claimed_until <= :now AND attribute_not_exists(handing))"
OVERTAKEN = "#state = :sending AND claimed_until <= :now AND attribute_exists(handing)"
FOUND_NOBODY = f"{ABSENT} OR #state = :nobody"
MINE = "#state = :sending AND tries = :tries"


def shard_of(message_id: str, lane: Lane = Lane.SERVICE) -> str:
    return f"{lane}#{sum(message_id.encode()) % SHARDS}"


class MailStore:
    """`lane`: the messages that are claimed here, and no other's."""

    def __init__(self, table: Table, lane: Lane = Lane.SERVICE) -> None:
        self.table, self.lane = table, lane

    def put(self, message: Message, *, again: bool = False) -> Write:
        """One message a fact: put if absent, or `again` in the place of one that found nobody."""
        item: Item = {
            "pk": f"MESSAGE#{message.id}",
            "sk": "MESSAGE",
            "type": "message",
            "v": 1,
            "id": message.id,
            "template": message.template,
            "class": message.mail_class,
            "account": message.account,
            "claim": message.claim,
            "arguments": dict(message.arguments),
            "created_at": message.created_at,
            "due": message.due,
            "not_after": message.not_after,
            "state": message.state,
            "tries": message.tries,
            "gsi1pk": shard_of(message.id, LAWS[message.mail_class].lane),
            "gsi1sk": due_key(message.due),
        }
        if again:
            return self.table.put(item, FOUND_NOBODY, {":nobody": State.NO_RECIPIENT}, names=NAMES)
        return self.table.put(item, ABSENT)

    def message(self, message_id: str) -> Message | None:
        item = self.table.get(f"MESSAGE#{message_id}", "MESSAGE")
        return to_message(item) if item else None

    def listed(self, account: str, message_id: str) -> Write:
        """That the message was opened for the account, for whoever erases it; again is harmless."""
        return lead(self.table, account, f"{LISTED}{message_id}", "message_listed")

    def of_account(self, account: str) -> Iterator[str]:
        """Its messages that were opened, whatever became of them."""
        for item in self.table.query(f"MESSAGE#{account}", prefix=LISTED):
            yield item["sk"].removeprefix(LISTED)

    def forget(self, account: str, message_id: str) -> None:
        """The message, and then what led to it."""
        self.table.apply(self.table.delete(f"MESSAGE#{message_id}", "MESSAGE"))
        self.table.apply(self.table.delete(f"MESSAGE#{account}", f"{LISTED}{message_id}"))

    def due(self, now: int) -> Iterator[str]:
        """Messages that the index nominates, the longest due first in each shard."""
        for shard in range(SHARDS):
            keys = self.table.index(
                "gsi1", "gsi1pk", f"{self.lane}#{shard}", range_name="gsi1sk", up_to=due_key(now)
            )
            yield from (key.pk.removeprefix("MESSAGE#") for key in list(keys))

    def claim(self, message_id: str, now: int) -> Message | None:
        """The message, ours until the claim lapses; None where it is not due or is another's."""
        until = now + CLAIM_LIFE
        ours = {f":class{n}": str(each) for n, each in enumerate(classes_of(self.lane))}
        try:
            item = self.table.apply(
                self._update(
                    message_id,
                    "SET #state = :sending, claimed_until = :until, gsi1sk = :index,"
                    " tries = tries + :one",
                    {
                        ":waiting": State.WAITING, ":now": now, ":sending": State.SENDING,
                        ":until": until, ":index": due_key(until), ":one": 1, **ours,
                    },
                    f"({READY} OR {LAPSED}) AND #class IN ({', '.join(ours)})",
                    {**NAMES, "#class": "class"},
                )
            )  # fmt: skip
        except ConditionFailed:
            return None
        return to_message(item) if item else None

    def hand_over(
        self, message: Message, granted: Write, unopposed: Sequence[Write], now: int
    ) -> Why | None:
        """Mark optional mail as being handed over; why not, where something was against it by then.

        `granted` is the condition that the purpose is, to the last; `unopposed` are those under
        which nobody is against it, and what is written beside the mark.
        The cap of its class counts it in the same transaction, once however often it is tried.
        """
        values = {**mine(message), ":yes": True}
        mark = self._update(message.id, "SET handing = :yes, counted = :yes", values, MINE)
        cap = message.law.cap
        counted = [] if cap is None or message.counted else [self.within(cap, message, now)]
        try:
            self.table.transact(mark, granted, *unopposed, *counted)
        except ConditionFailed as refusal:
            if refusal.at(0):
                raise
            against = refusal.failed - {1, 2 + len(unopposed)}
            if against:
                return Why.UNWANTED
            return Why.NO_GRANT if refusal.at(1) else Why.CAP
        return None

    def withdrawn(self, granted: Write) -> Why | None:
        """Whether the grant that mail of the account was opened under has ended since."""
        try:
            self.table.transact(granted)
        except ConditionFailed:
            return Why.NO_GRANT
        return None

    def within(self, cap: Cap, message: Message, now: int) -> Write:
        """One more mail of its class to its account; refused while the span holds `cap.mails`.

        The instants of the latest ones are kept, the oldest first: `t1` is the one that has to
        be over, and each new one moves the others down.
        """
        moves = [f"t{n} = if_not_exists(t{n + 1}, :never)" for n in range(1, cap.mails)]
        return self.table.update(
            f"CAP#{message.account}", f"CLASS#{message.mail_class}",
            f"SET {', '.join([*moves, f't{cap.mails} = :now'])}, #type = :type, v = :one",
            {":never": 0, ":now": now, ":over": now - cap.span, ":type": "cap", ":one": 1},
            condition="attribute_not_exists(pk) OR t1 <= :over", names={"#type": "type"},
        )  # fmt: skip

    def give_back(self, message: Message, due: int) -> None:
        """Let it wait until `due`; ConditionFailed where the claim is no longer ours."""
        values = {
            **mine(message), ":waiting": State.WAITING, ":due": due, ":index": due_key(due),
        }  # fmt: skip
        update = "SET #state = :waiting, due = :due, gsi1sk = :index REMOVE claimed_until, handing"
        self.table.apply(self._update(message.id, update, values, MINE))

    def end(
        self, message: Message, state: State, now: int, why: Why | None = None,
        *, gone: bool = False,
    ) -> None:  # fmt: skip
        """The last state it takes; ConditionFailed where the claim is no longer ours.

        It is counted for its mailing; `why` says more of a message that ended unsent. One that
        was never opened is deleted by the broom: it is not listed for an erasure. Where the account
        is `gone` the broom may come at once, and the row says no more whose it was, or what of.
        """
        more: Item = {"why": why} if why else {}
        if state in UNOPENED or why is Why.UNAPPROVED:
            more["purge_at"] = purge_at(now if gone else now + KEPT)
        if gone:
            more["arguments"] = {}
        sets = "".join(f"{name} = :{name}, " for name in more)
        values = {**mine(message), **ended(message, state, now, why)}
        values |= {f":{name}": value for name, value in more.items()}
        update = ENDING.replace("SET ", f"SET {sets}", 1)
        names = NAMES
        if gone:
            update, names = f"{update}, #account", {**NAMES, "#account": "account"}
        end = self._update(message.id, update, values, MINE, names)
        if message.mailing is None:
            self.table.apply(end)
        else:
            self.table.transact(end, self._tally(message.mailing, why or state))

    def _tally(self, mailing: str, outcome: str) -> Write:
        return self.table.update(
            f"MAILED#{mailing}", "MAILED", "SET #type = :type, v = :one ADD #outcome :one",
            {":type": "mailed", ":one": 1}, condition="attribute_not_exists(pk) OR #type = :type",
            names={"#type": "type", "#outcome": outcome},
        )  # fmt: skip

    def tally(self, mailing: str) -> dict[str, int]:
        """How the messages of a mailing ended, by their last state, or why they were not sent."""
        item = self.table.get(f"MAILED#{mailing}", "MAILED") or {}
        outcomes = {*State, *Why}
        return {name: value for name, value in item.items() if name in outcomes}

    def end_overtaken(self, message_id: str, now: int) -> bool:
        """End optional mail whose hand-over never told how it went; False where it is not such."""
        message = self.message(message_id)
        if message is None:
            return False
        values = {":sending": State.SENDING, **ended(message, State.UNKNOWN, now)}
        try:
            self.table.apply(self._update(message_id, ENDING, values, OVERTAKEN))
        except ConditionFailed:
            return False
        return True

    def _update(
        self,
        message_id: str,
        update: str,
        values: Item,
        condition: str,
        names: dict[str, str] = NAMES,
    ) -> Write:
        return self.table.update(
            f"MESSAGE#{message_id}", "MESSAGE", update, values, condition=condition, names=names
        )


ENDING = (
    "SET #state = :end, ended_at = :now, gsi1pk = :ended, gsi1sk = :told"
    " REMOVE claimed_until, handing"
)


def ended(message: Message, state: State, now: int, why: Why | None = None) -> Item:
    """Its place in the index says all that is counted of a message that ended, and not whose."""
    told = f"{due_key(now)}#{message.mail_class}#{state}#{why or ''}"
    return {":end": state, ":now": now, ":ended": f"MAIL_ENDED#{day_of(now)}", ":told": told}


def mine(message: Message) -> Item:
    """Each claim counts one more try, so the number tells this claim from every other."""
    return {":sending": State.SENDING, ":tries": message.tries}


def to_message(item: Item) -> Message:
    return Message(
        id=item["id"],
        template=item["template"],
        mail_class=MailClass(item["class"]),
        account=item.get("account"),
        claim=item.get("claim"),
        arguments=item["arguments"],
        created_at=item["created_at"],
        due=item["due"],
        state=State(item["state"]),
        tries=item["tries"],
        not_after=item.get("not_after"),
        counted=item.get("counted", False),
    )
