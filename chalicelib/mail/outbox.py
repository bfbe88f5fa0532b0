"""The outbox: a mail is written in the transaction that causes it, and only then sent (G11)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chalicelib.core.ids import derived_id
from chalicelib.mail.rules import Message, State
from chalicelib.mail.templates import TEMPLATES, check_arguments
from chalicelib.observability import failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.mail.rules import Argument
    from chalicelib.mail.store import MailStore
    from chalicelib.mail.templates import Template
    from chalicelib.storage.dynamo import Write


def message_of(template: str, *fact: str | int) -> str:
    """The id of the one message that a fact has."""
    return derived_id("msg", template, *fact)


class Outbox:
    def __init__(
        self,
        store: MailStore,
        queue: Any,
        queue_url: str,
        templates: Mapping[str, Template] = TEMPLATES,
    ) -> None:
        self.store, self.queue, self.queue_url = store, queue, queue_url
        self.templates = templates

    def message(  # noqa: PLR0913 - each is a word of the message
        self,
        template: str,
        *,
        fact: tuple[str | int, ...],
        account: str | None = None,
        claim: str | None = None,
        arguments: Mapping[str, Argument],
        due: int,
        now: int,
        not_after: int | None = None,
        again: bool = False,
    ) -> tuple[str, Write]:
        """The fact's one message: its id, and the write for the transaction that makes the fact.

        The recipient is an account or an email claim. From `not_after` on it is not sent any more.
        `again` puts it also in the place of the same message where that found nobody.
        ValueError where the arguments are not those of the template, or one holds a control
        character.
        """
        if (account is None) == (claim is None):
            raise ValueError("a message goes to an account or to an email claim")
        kind = self.templates[template]
        check_arguments(kind, arguments)
        message_id = message_of(template, *fact)
        message = Message(
            message_id, template, kind.mail_class, account, claim, arguments, now, due,
            not_after=not_after,
        )  # fmt: skip
        return message_id, self.store.put(message, again=again)

    def written(self, template: str, *fact: str | int) -> bool:
        """Whether the fact has its message, sent or not."""
        return self.store.message(message_of(template, *fact)) is not None

    def told(self, template: str, *fact: str | int) -> bool:
        """Whether the fact's message reached somebody, or may yet; False where it found nobody."""
        message = self.store.message(message_of(template, *fact))
        return message is not None and message.state is not State.NO_RECIPIENT

    def nudge(self, message_id: str) -> None:
        """Ask for it to be sent at once; a failure is logged alone, since the sweep finds it."""
        body = json.dumps({"message": message_id})
        try:
            self.queue.send_message(QueueUrl=self.queue_url, MessageBody=body)
        except Exception as error:  # noqa: BLE001 - the row is durable, and the sweep finds it
            failure("nudge_failed", error, mail=message_id)
