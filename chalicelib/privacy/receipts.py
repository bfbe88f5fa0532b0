"""The record of one answer as a file: the parts of ISO/IEC TS 27560:2023, in terms of DPV.

Only what is known stands in it: no jurisdiction, place of storage or assessment is claimed. `proof`
is ours: the row of the ledger that says the same, whose hash covers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import to_text
from chalicelib.core.errors import NotFound
from chalicelib.core.ids import derived_id
from chalicelib.privacy.choices import GPC
from chalicelib.privacy.rules import Event, Purpose, When, known_policies

if TYPE_CHECKING:
    from chalicelib.privacy.rules import Policy, Row, Use

Json = dict[str, Any]
CONTEXT = {"dpv": "https://w3id.org/dpv#", "pd": "https://w3id.org/dpv/pd#"}
STATES = {
    Event.COLLECTED: "dpv:ConsentGiven",
    Event.GRANTED: "dpv:ConsentGiven",
    Event.DECLINED: "dpv:ConsentRefused",
    Event.WITHDRAWN: "dpv:ConsentWithdrawn",
}
PURPOSES = {Purpose.MARKETING: "dpv:DirectMarketing", Purpose.PARTNER_MAIL: "dpv:DirectMarketing"}
FIELDS = {"email": "pd:EmailAddress"}


def is_answer(row: Row) -> bool:
    """Whether the row is a person's answer to a question, which has a receipt."""
    return row.entry.event in STATES and asked(row) is not None


def asked(row: Row) -> tuple[Policy, Purpose, Use] | None:
    """What the row's policy asks about its purpose, if it asks."""
    purpose, policy = row.entry.purpose, known_policies().get(row.entry.policy or "")
    use = policy.uses.get(purpose) if policy and purpose else None
    if policy is None or purpose is None or use is None or use.when is not When.CHOICE:
        return None
    return policy, purpose, use


def receipt(row: Row, home: str, support: str) -> Json:
    """NotFound where the row is not an answer to a question."""
    found, state = asked(row), STATES.get(row.entry.event)
    if found is None or state is None:
        raise NotFound
    policy, purpose, use = found
    person = derived_id("pii", row.subject)
    return {
        "@context": CONTEXT,
        "record": {
            "schema_version": "ISO/IEC TS 27560:2023",
            "record_id": f"{person}/{row.number}",
            "pii_principal_id": person,
        },
        "pii_processing": {
            "privacy_notice": f"{home}/privacy/v/{policy.number}",
            "privacy_notice_version": policy.id,
            "language": "en",
            "purposes": [purpose_of(purpose, use, home)],
        },
        "party_identification": [
            {
                "party_id": "cetrus",
                "party_name": "Cetrus",
                "party_role": "dpv:DataController",
                "party_url": home,
                "party_email": support,
            }
        ],
        "event": [event_of(row, person, state)],
        "proof": {"row": row.number, "hash": row.hash, "previous": row.previous},
    }


def purpose_of(purpose: Purpose, use: Use, home: str) -> Json:
    return {
        "purpose": use.says,
        "purpose_id": str(purpose),
        "purpose_type": PURPOSES.get(purpose, "dpv:Purpose"),
        "lawful_basis": "dpv:Consent",
        "pii_information": [
            {"pii_type": FIELDS.get(name, "dpv:PersonalData"), "pii_name": name}
            for name in sorted(use.fields)
        ],
        "pii_controllers": ["cetrus"],
        "recipient_third_parties": sorted(use.recipients - {"cetrus"}),
        "retention_period": use.kept,
        "withdrawal_method": f"{home}/account/privacy",
    }


def event_of(row: Row, person: str, state: str) -> Json:
    """A browser's own no was not typed by the person, and is not called so."""
    by_browser = row.entry.reason == GPC
    return {
        "event_time": to_text(row.at),
        "event_type": "dpv:ExpressedConsent" if by_browser else "dpv:ExplicitlyExpressedConsent",
        "event_state": state,
        "event_method": "Sec-GPC" if by_browser else row.entry.reason,
        "entity_id": person,
    }
