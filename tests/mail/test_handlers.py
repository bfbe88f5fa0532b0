"""The three handlers as they are deployed: from a registration to its link, and back by mail."""

from __future__ import annotations

import json
import re
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest
from moto.ses.models import ses_backends

import app
from chalicelib import wiring
from chalicelib.mail.links import link_hash
from tests.cases.conftest import raw
from tests.conftest import kept_client
from tests.context import CONTEXT
from tests.mail.test_inbound import event as s3_event
from tests.mail.test_mailer import record

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

FORM = {
    "account_name": "Grünwald & Söhne",
    "login": "gruenwald",
    "email": "kim@example.com",
    "name": "Kim Grünwald",
}
TICK = {
    "version": "0", "account": "123456789012", "region": "eu-west-1", "detail": {},
    "detail-type": "Scheduled Event", "source": "aws.events", "time": "2026-11-25T12:00:00Z",
    "id": "1", "resources": [],
}  # fmt: skip


def sent() -> list[Any]:
    messages = ses_backends["123456789012"]["eu-west-1"].sent_messages
    return [message_from_bytes(message.raw_data.encode(), policy=default) for message in messages]


@pytest.fixture
def welcome(tables: Tables, clock: FakeClock) -> str:
    """The id of a new member's welcome, still in the outbox."""
    kept_client("sesv2").create_configuration_set(ConfigurationSetName="cetrus-local")
    wiring.registration().register(FORM, "a-passphrase-of-some-length")
    (message,) = (item for item in tables.items("accounts") if item["type"] == "message")
    return str(message["id"])


@pytest.mark.promise("PS-57")
def test_the_queue_brings_the_welcome_with_the_link_that_was_stored(
    tables: Tables, welcome: str
) -> None:
    event = {"Records": [record(1, json.dumps({"message": welcome}))]}
    assert app.mail_sender(event, CONTEXT) == {"batchItemFailures": []}
    (mail,) = sent()
    assert mail["To"] == "kim@example.com"
    text = mail.get_body(("plain",)).get_content()
    (token,) = re.findall(r"https://cetrus.test/verify/([\w-]+)", text)
    hashed = link_hash(wiring.link_key(), token)
    assert any(hashed in item["pk"] for item in tables.items("usage"))
    assert not any(token in repr(item) for item in tables.items("usage"))


def test_the_sweep_brings_it_where_no_nudge_came(welcome: str) -> None:
    assert app.mail_sweep(TICK, CONTEXT) == {"sent": 1}
    assert app.mail_sweep(TICK, CONTEXT) == {}
    assert len(sent()) == 1


def test_the_same_registration_again_brings_no_second_welcome(tables: Tables, welcome: str) -> None:
    wiring.registration().register(FORM, "a-passphrase-of-some-length")
    assert app.mail_sweep(TICK, CONTEXT) == {"sent": 1}


def test_mail_from_the_bucket_is_taken_in(tables: Tables, clock: FakeClock) -> None:
    kept_client("s3").put_object(Bucket="cetrus-mail", Key="in/a", Body=raw("REMOVE"))
    assert app.inbound_mail(s3_event("in/a"), CONTEXT) == {"removed": 1}
