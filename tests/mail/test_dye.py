"""Dyed mail: each purpose's copy of an address differs, so that a mail shows its key.

What types and roles promise is seen here from outside: no mail of a class is ever addressed by
what was sealed for another use, whatever the code between does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.mail.rules import LAWS, State
from chalicelib.mail.templates import TEMPLATES
from chalicelib.privacy import policies, sinks
from chalicelib.privacy.rules import Purpose, PurposeDenied, use_under
from tests.mail.conftest import MAILING, PROFILE, Cloud, Office, Person
from tests.privacy.dyes import MAILS, dye, dye_all, purposes_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.mail.rules import Argument

pytestmark = [
    pytest.mark.guarantee("G8"),
    pytest.mark.promise("PS-18"),
    pytest.mark.promise("PS-04"),
]
SUBJECT = "sub_dyed"


@pytest.fixture
def dyed(office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    """One subject with every purpose, whose address is another for each of them."""
    dye_all(monkeypatch)
    vault, now = wiring.vault(), office.clock.now
    for purpose in policies.VERSIONS[policies.IN_FORCE]:
        writes = vault._grant(SUBJECT, Purpose(purpose), PROFILE, now, policies.IN_FORCE)
        wiring.database().transact(*writes)
    return office


def sent_for(office: Office, name: str) -> str:
    """The purpose whose copy a mail of this template was addressed by."""
    template = TEMPLATES[name]
    office.people.members["acc_dyed"] = Person(min(template.audience), SUBJECT)
    cloud = Cloud()
    mailer = office.mailer(cloud, lane=LAWS[template.mail_class].lane)
    mailer.texts = lambda _: dict(MAILING)
    now, told = office.clock.now, filled(template.arguments)
    message, put = wiring.outbox().message(
        name, fact=("dye",), account="acc_dyed", arguments=told, due=now, now=now
    )
    office.store.table.apply(put)
    assert mailer.send(message) is State.SENT, name
    ((address, raw),) = cloud.sent
    (purpose,) = purposes_in([address, raw])
    return purpose


def filled(wanted: Mapping[str, type]) -> dict[str, Argument]:
    """Something of each kind that a template is told."""
    values: dict[type, Argument] = {str: "Something", int: 3, list: ["One thing"]}
    return {name: values[kind] for name, kind in wanted.items()}


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_mail_is_addressed_by_what_was_given_for_its_class(dyed: Office, name: str) -> None:
    assert sent_for(dyed, name) in MAILS[TEMPLATES[name].mail_class]


def test_the_classes_are_all_here() -> None:
    assert MAILS.keys() == LAWS.keys()
    assert {template.mail_class for template in TEMPLATES.values()} == set(LAWS)


def test_a_copy_for_another_use_is_what_the_dye_would_show(dyed: Office) -> None:
    """The planted bug: an offer that opens the account's copy is refused by its class."""
    vault = wiring.vault()
    opened: Any = vault.open(SUBJECT, Purpose.ACCOUNT, "mail:offer:msg_1")
    with pytest.raises(PurposeDenied):
        sinks.mail(opened, "offer")


def test_every_purpose_has_a_copy_of_its_own(dyed: Office) -> None:
    vault = wiring.vault()
    for purpose, policy in vault.granted(SUBJECT).items():
        if "email" in use_under(policy, purpose).fields:
            fields = vault.open(SUBJECT, purpose, "test")._fields
            assert fields["email"] == dye(purpose, "email")
