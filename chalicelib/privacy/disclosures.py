"""What another company is told about a person: declared here, under a contract, and in the ledger.

| act | tells the processor |
|---|---|
| customer | that there is an account, by its opaque reference |
| card_page | that an account wants to save a card for an order |
| payment_page | what an order costs, for the page where it is paid |
| charge | what a renewal costs, for a card that was saved there |
| refund | how much of a payment is given back |

`share` comes first, the request after it: a request without its row cannot be. A row whose request
was lost is possible, and says more than was told. The row and the check that the grant stands are
one transaction: after whoever deactivated, erased or took back there is neither row nor request.

A row knows its request by a reference that the grant's key alone can tell, since what it is about,
an order or a charge, stays in the books.

CetrusError
└── Unavailable
    └── NoContract   503: no contract binds the recipient now, so nothing is sent
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import day_of
from chalicelib.core.errors import Unavailable
from chalicelib.privacy.acts import OPERATOR, commanded
from chalicelib.privacy.ledger import GONE
from chalicelib.privacy.rules import Entry, Event, Purpose, PurposeDenied, because, use_under
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.core.clock import Clock
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.store import Grant, VaultStore
    from chalicelib.storage.dynamo import Item, Table, Write

PROCESSOR = "processor"
SENT: Mapping[str, frozenset[str]] = {
    "customer": frozenset({"metadata.account"}),
    "card_page": frozenset(
        {
            "mode", "currency", "customer", "client_reference_id", "success_url", "cancel_url",
            "metadata.order",
        }
    ),
    "payment_page": frozenset(
        {
            "mode", "customer", "client_reference_id", "success_url", "cancel_url",
            "metadata.order", "line_items.quantity", "line_items.price_data.currency",
            "line_items.price_data.unit_amount", "line_items.price_data.product_data.name",
            "payment_intent_data.metadata.order", "payment_intent_data.setup_future_usage",
        }
    ),
    "charge": frozenset(
        {
            "amount", "currency", "customer", "payment_method", "description", "off_session",
            "confirm", "metadata.subscription", "metadata.period", "metadata.try",
        }
    ),
    "refund": frozenset({"payment_intent", "amount"}),
}  # fmt: skip
"""The names of all that each act may tell, in the processor's own words; never anything else."""


class NoContract(Unavailable):
    code = "no_contract"
    title = "Cards cannot be taken just now"
    detail = (
        "Our contract with the card processor, which binds it to use what we send for your bill "
        "alone, is not in force. So nothing was sent to it, and nothing was charged."
    )
    retry_after = 3600


class TooMuch(TypeError):
    """A request would tell more than is declared in SENT."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What binds a recipient, until an instant in milliseconds."""

    recipient: str
    contract: str
    until: int


class Contracts:
    """One row a recipient: `RECIPIENT#<name>` / `CONTRACT`."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def of(self, recipient: str) -> Contract | None:
        item = self.table.get(f"RECIPIENT#{recipient}", "CONTRACT")
        return Contract(recipient, item["contract"], item["until"]) if item else None

    def put(self, contract: Contract, now: int) -> Write:
        """In place of the one before."""
        item: Item = {
            "pk": f"RECIPIENT#{contract.recipient}", "sk": "CONTRACT", "type": "contract", "v": 1,
            "contract": contract.contract, "until": contract.until, "at": now,
        }  # fmt: skip
        return self.table.put(item)


class Disclosures:
    def __init__(
        self, contracts: Contracts, grants: VaultStore, ledger: Ledger, clock: Clock
    ) -> None:
        self.contracts, self.grants, self.ledger, self.clock = contracts, grants, ledger, clock

    def sign(self, contract: Contract) -> None:
        """From now on it binds its recipient, and the operator's chain says until when.

        The row knows it by a hash: a contract's name may be that of somebody.
        """
        now, hashed = self.clock(), hashlib.sha256(contract.contract.encode()).hexdigest()[:16]
        row = commanded("contract", contract.recipient, hashed, day_of(contract.until))
        self.ledger.commit(
            lambda: [
                self.contracts.put(contract, now), *self.ledger.append(OPERATOR, [row], now),
            ]
        )  # fmt: skip

    def share(self, subject: str, recipient: str, act: str, reference: str) -> None:
        """The row before the request. `reference` is the opaque name that the request carries.

        NoContract where none is in force; PurposeDenied where the person granted no billing, or
        their policy does not name the recipient.
        """
        now = self.clock()
        self._require_contract(recipient, now)

        def build() -> list[Write]:
            head, grant = self.ledger.head(subject), self.grants.grant(subject, Purpose.BILLING)
            if grant is None or recipient not in named_by(grant.policy):
                raise PurposeDenied
            row = shared(grant.policy, reason(recipient, act, reference, grant))
            return [self.grants.holds(grant), *self.ledger.after(head, subject, [row], now)]

        try:
            self.ledger.commit(build)
        except ConditionFailed as refusal:
            raise PurposeDenied from refusal

    def share_owed(self, subject: str | None, recipient: str, act: str, reference: str) -> None:
        """The same for what is owed to the person, whatever they grant by now: money goes back.

        None is somebody whose account was erased. Whose keys are all gone, or who has no account,
        is on the chain that is nobody's, which may say in so many words what was given back.
        """
        now = self.clock()
        self._require_contract(recipient, now)

        def build() -> list[Write]:
            head = self.ledger.head(subject) if subject else None
            grant = self._any_grant(subject) if subject else None
            row = shared(None, reason(recipient, act, reference, grant))
            if subject is None or grant is None:
                return self.ledger.append(GONE, [row], now)
            return self.ledger.after(head, subject, [row], now)

        self.ledger.commit(build)

    def _any_grant(self, subject: str) -> Grant | None:
        """One to key a reference by: that of the bills or of the account, on hold too."""
        for purpose in (Purpose.BILLING, Purpose.ACCOUNT):
            found = self.grants.grant(subject, purpose) or self.grants.held_grant(subject, purpose)
            if found:
                return found
        return None

    def _require_contract(self, recipient: str, now: int) -> None:
        found = self.contracts.of(recipient)
        if found is None or found.until <= now:
            raise NoContract


def shared(policy: str | None, why: str) -> Entry:
    return Entry(Event.SHARED, Purpose.BILLING, policy, why)


def reason(recipient: str, act: str, reference: str, grant: Grant | None) -> str:
    kind = f"share:{recipient}:{act}"
    return because(kind, reference, grant.wrapped) if grant else f"{kind}:{reference}"


def named_by(policy: str) -> frozenset[str]:
    """Who receives what bills need, under that version."""
    return use_under(policy, Purpose.BILLING).recipients


def told(params: Mapping[str, Any]) -> frozenset[str]:
    """The names of what a request tells, however deep: `line_items.price_data.currency`."""
    return frozenset(paths(params))


def paths(value: Any, above: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, f"{above}.{name}" if above else str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, above)
    else:
        yield above


def require_declared(act: str, params: Mapping[str, Any]) -> None:
    """TooMuch where the request would tell anything that its act does not declare."""
    if unknown := told(params) - SENT[act]:
        raise TooMuch(f"{act} does not declare {sorted(unknown)}")
