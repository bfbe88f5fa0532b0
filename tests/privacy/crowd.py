"""People who registered under any version of the policy, and a mail service that keeps mail."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.accounts.fields import email_identity
from chalicelib.accounts.rules import Account, State
from chalicelib.accounts.store import Claim
from chalicelib.privacy import policies
from chalicelib.privacy.ledger import Ledger
from chalicelib.privacy.service import Vault
from chalicelib.privacy.store import VaultStore
from chalicelib.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.privacy.rules import Purpose
    from tests.conftest import FakeClock, Tables

FIFTH = {
    **policies.VERSIONS[4],
    "account": {
        **policies.VERSIONS[4]["account"],
        "fields": ["account_name", "login", "email", "name"],
        "recipients": ["cetrus", "processor"],
    },
}
"""A fifth version: another recipient of the account's fields, and one field less."""
MEMBER = "stf_0000000000000000000000000"


@dataclass
class Sent:
    """A mail as it was handed to the mail service."""

    to: str
    subject: str
    text: str


@dataclass
class Crowd:
    tables: Tables
    clock: FakeClock
    handed: list[Sent] = field(default_factory=list)

    def vault(self, number: int) -> Vault:
        """The vault as it was while this version was in force."""
        store = VaultStore(self.tables.accounts, self.tables.keys)
        kms = wiring.vault().kms
        ledger, key = Ledger(self.tables.accounts), settings().vault_key_id
        return Vault(store, ledger, kms, key, lambda: number, self.clock)

    def join(
        self,
        name: str,
        number: int = 3,
        state: State = State.ACTIVE,
        chosen: Mapping[Purpose, bool] | None = None,
    ) -> str:
        """A member who registered while version `number` was in force."""
        now, address = self.clock(), f"{name}@example.com"
        claim = wiring.keyed().of("email", email_identity(address))
        account = Account(
            f"acc_{name}", state, f"sub_{name}", claim, f"login-{name}", "no verifier", now,
            confirmed_at=now if state is State.ACTIVE else None,
        )  # fmt: skip
        fields = {"account_name": name, "login": name, "email": address, "name": name}
        store = wiring.account_store()
        store.transact(
            store.put_account(account),
            store.put_claim(Claim.EMAIL, claim, account.id),
            *self.vault(number).collect(account.subject, fields, now, "register", chosen),
        )
        return account.id

    def leave(self, account: str, state: str = "ending") -> None:
        """Deactivated or ending: out of the index by the write that says so."""
        self.tables.accounts.apply(
            self.tables.accounts.update(
                f"ACCOUNT#{account}", "ACCOUNT", "SET #s = :state REMOVE gsi1pk, gsi1sk",
                {":state": state}, condition="attribute_exists(pk)", names={"#s": "state"},
            )
        )  # fmt: skip

    def publish(self, number: int = 4) -> None:
        wiring.publishing().publish(number, MEMBER)

    def notify(self, milliseconds: int = 240_000) -> dict[str, int]:
        return wiring.policy_notices().run(lambda: milliseconds)

    def written(self, template: str = "policy_changed") -> dict[str, Any]:
        """The outbox's messages of a kind, by whom they are for; "" where that was erased."""
        found = [i for i in self.tables.items("accounts") if i.get("template") == template]
        by_account = {item.get("account", ""): item for item in found}
        assert len(by_account) == len(found)
        return by_account

    def send(self) -> list[Sent]:
        """Hand over what is due; the mails of this time."""
        mailer, before = wiring.mailer(), len(self.handed)
        client, mailer.post.client = mailer.post.client, self
        try:
            mailer.sweep()
        finally:
            mailer.post.client = client
        return self.handed[before:]

    def send_email(self, **request: Any) -> None:
        raw = request["Content"]["Raw"]["Data"]
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        body = mail.get_body(("plain",))
        (to,) = request["Destination"]["ToAddresses"]
        self.handed.append(Sent(to, str(mail["Subject"]), body.get_content() if body else ""))
