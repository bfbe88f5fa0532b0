"""What the program hands to the cloud: every call's parameters, as they leave the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.client import BaseClient

from chalicelib import wiring
from chalicelib.privacy.choices import questions
from chalicelib.privacy.rules import Purpose, policy
from tests.cloud.scan import found_in

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

PROFILE = {
    "account_name": "Zqaccount name",
    "login": "zqlogin-name",
    "email": "zqmail@example.org",
    "name": "Zqperson name",
    "company": "Zqcompany name",
    "street": "1 Zqstreet road",
    "city": "Zqcityname",
    "postal_code": "ZQ-10115",
    "country": "DE",
    "phone": "+49 30 5550173829",
    "tax_id": "ZQTAX123456",
}
PASSWORD, LABEL, INVITED = "zq nine slow boats", "Zqlabel of a computer", "zqguest@example.org"
CANARIES = [*(v for v in PROFILE.values() if v != "DE"), PASSWORD, LABEL, INVITED]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Service and parameters of every call of any client, in the order they were made."""
    made: list[tuple[str, str]] = []
    real = BaseClient._make_api_call

    def record(client: Any, operation: str, params: Any) -> Any:
        made.append((f"{client.meta.service_model.service_name}.{operation}", repr(params)))
        return real(client, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    return made


@pytest.mark.promise("PS-46")
@pytest.mark.promise("PS-49")
@pytest.mark.guarantee("G8")
def test_no_field_that_a_person_typed_is_in_any_call_but_sealed(
    tables: Tables, clock: FakeClock, calls: list[tuple[str, str]]
) -> None:
    asked = questions(policy(wiring.published().number()))
    wiring.registration().register(PROFILE, PASSWORD, {each.purpose: True for each in asked})
    (account,) = [i for i in tables.items("accounts") if i["type"] == "account"]
    account_id = account["pk"].removeprefix("ACCOUNT#")
    table = wiring.accounts_table()
    table.apply(
        table.update(
            account["pk"], "ACCOUNT", "SET #s = :a", {":a": "active"}, condition="#s <> :a",
            names={"#s": "state"},
        )
    )  # fmt: skip
    wiring.accounts().correct(account_id, {"city": "Zqcityname two"})
    vault, subject = wiring.vault(), account["subject"]
    vault.commit(lambda: vault.note(subject, Purpose.COMPUTERS, "computer_label:x", LABEL, "test"))
    guest, writes = wiring.guests().receive(
        Purpose.INVITATION, {"email": INVITED, "invited_by": PROFILE["account_name"]},
        clock.now + 1, "test",
    )  # fmt: skip
    table.transact(*writes)
    assert wiring.guests().opened(guest, Purpose.INVITATION, "test")["email"] == INVITED
    services = {name.partition(".")[0] for name, _ in calls}
    assert {"dynamodb", "kms"} <= services
    assert sum("Item" in name for name, _ in calls) > 5
    assert [(name, found_in(said.encode(), CANARIES)) for name, said in calls
            if found_in(said.encode(), CANARIES)] == []  # fmt: skip
