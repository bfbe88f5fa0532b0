"""The inventory as others read it: in Fides' words, and as a record of processing.

Made from `inventory.ITEMS`, the policy in force, and what the processor may be told: nothing is
said here a second time. Keys are those of fideslang 3.1.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.privacy import disclosures, policies
from chalicelib.privacy.inventory import (
    FAMILIES,
    ITEMS,
    NOBODY,
    PERSON,
    QUEUES,
    STAFF,
    VENDOR,
    WRITER,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chalicelib.privacy.inventory import Fact
    from chalicelib.privacy.rules import Policy, Purpose, Use

Json = dict[str, Any]
BY_POLICY = "by-policy"
CATEGORIES: Mapping[str, tuple[str, str]] = {
    "technical": ("What the program needs to work: versions, states, limits.", "system.operations"),
    "secret": ("Hashes of tokens and wrapped keys.", "system.authentication"),
    "catalog": ("What vendors offer.", "system.operations"),
    "count": ("Numbers of nobody in particular.", "system.operations"),
    "pseudonym": ("Random names and keyed hashes.", "user.unique_id.pseudonymous"),
    "password": ("A verifier that no password can be read from.", "user.authorization.password"),
    "sealed": ("Personal fields that a person gave, encrypted.", "user"),
    "activity": ("When an account did what.", "user.account"),
    "choice": ("What was granted, declined and taken back.", "user.privacy_preferences"),
    "purchase": ("What was ordered and paid.", "user.behavior.purchase_history"),
    "card": ("Brand, last four digits and expiry of a card.", "user.payment"),
    "license": ("What a license permits.", "user.account"),
    "usage": ("What ran, from when to when.", "user.behavior"),
    "computer": ("A computer, by a key that it made itself.", "user.device.device_id"),
    "mail": ("Which mail is sent, and what it tells.", "user.account"),
    "letter": ("What somebody wrote to us.", "user.content.private"),
    "staff": ("Who works here, and as what.", "user.workplace"),
    "visit": ("What a browser sends with each request.", "user.device.ip_address"),
}
FIELDS: Mapping[str, str] = {
    "account_name": "user.account",
    "login": "user.account.username",
    "email": "user.contact.email",
    "name": "user.name",
    "phone": "user.contact.phone_number",
    "company": "user.contact.organization",
    "street": "user.contact.address.street",
    "city": "user.contact.address.city",
    "postal_code": "user.contact.address.postal_code",
    "country": "user.contact.address.country",
    "tax_id": "user.financial",
    "invited_by": "user.account",
    "computer_label": "user.device",
    "message": "user.content.private",
}
"""Each field of the policy, as Fides names it."""
POLICY_USES: Mapping[str, str] = {
    "account": "essential.service",
    "billing": "essential.service.payment_processing",
    "computers": "functional.service",
    "invitation": "essential.service",
    "policy_notice": "essential.service.notifications.email",
    "marketing": "marketing.communications.email",
    "partner_mail": "marketing.communications.email",
    "support": "essential.service.operations.support",
    "fiscal": "essential.legal_obligation",
    "staff": "operations",
    "surveys": "functional.service.improve",
}
"""Each purpose of the policy, as Fides names it."""
USES: Mapping[str, tuple[str, str, str]] = {
    "account": ("To run accounts.", "essential.service", "contract"),
    "security": ("To keep others out.", "essential.service.security", "contract"),
    "invitation": ("To carry invitations.", "essential.service", "contract"),
    "billing": ("To bill.", "essential.service.payment_processing", "contract"),
    "licensing": ("To let run what is licensed.", "essential.service.operations", "contract"),
    "mail": ("To send mail, or not.", "essential.service.notifications.email", "contract"),
    "support": ("To answer.", "essential.service.operations.support", "consent"),
    "law": ("To keep what the law wants kept.", "essential.legal_obligation", "legal obligation"),
    "privacy": ("To prove what was done with data.", "functional.storage.privacy_preferences",
                "legal obligation"),
    "operation": ("To run the service.", "essential.service.operations", "legitimate interest"),
    "staff": ("To say who works here.", "operations", "contract"),
    "catalog": ("To show what is on offer.", "essential.service", "contract"),
    "statistics": ("To count, of nobody.", "analytics.reporting", "legitimate interest"),
}  # fmt: skip
"""What stored facts are for, beside the policy's own purposes: words, Fides, ground."""
SUBJECTS: Mapping[str, str] = {PERSON: "customer", STAFF: "employee", WRITER: "prospect",
                               VENDOR: "supplier_vendor", NOBODY: "anonymous_user"}  # fmt: skip
RECIPIENTS: Mapping[str, str] = {
    **policies.RECIPIENTS,
    "vendor": "The vendor of an application: what was licensed of it and how long it ran, by "
    "pseudonyms that it can bring together with nothing else. No vendor sees another's.",
}


class Point(NamedTuple):
    """Where something of a person comes in, and the item types that it is written to.

    `forms` are the words by which the ledger says that fields were given here.
    """

    says: str
    types: frozenset[str]
    forms: tuple[str, ...] = ()


POINTS: Mapping[str, Point] = {
    "POST /register": Point(
        "The registration form.", frozenset({"sealed", "account"}), ("register",)
    ),
    "POST /account/setup": Point(
        "The form of one's own profile.", frozenset({"sealed"}), ("setup",)
    ),
    "POST /rights/{token}/correct": Point(
        "The form of one's own profile, by a mailed link.", frozenset({"sealed"}), ("link:rights",)
    ),
    "POST /account/privacy/choices": Point(
        "The page of one's own choices.", frozenset({"sealed"}), ("page:/account/privacy",)
    ),
    "POST /choices/{token}": Point(
        "The link by which a yes is said again.", frozenset({"sealed"}), ("page:/choices",)
    ),
    "POST /account/email": Point(
        "The form to move to another address.", frozenset({"sealed"}), ("page:/account/email",)
    ),
    "POST /email/{token}": Point(
        "The link that a new address confirms.", frozenset({"sealed"}), ("page:/email",)
    ),
    "POST /account/computers/name": Point(
        "A name for a computer.", frozenset({"sealed"}), ("computers",)
    ),
    "POST /account/licenses/{license_id}/people": Point(
        "The form that invites somebody.", frozenset({"sealed", "invitation"}),
        ("page:/account/licenses/people",),
    ),
    "POST /contact": Point(
        "The form to write to us.", frozenset({"sealed", "case"}), ("page:/contact",)
    ),
    "mail to us": Point(
        "A mail to one of our addresses.", frozenset({"sealed", "case"}), ("mail:inbound",)
    ),
    "POST /apps/{slug}/orders": Point("The order of a plan.", frozenset({"order"})),
    "POST /account/subscriptions/{license_id}/card": Point(
        "The wish to give another card.", frozenset({"order"})
    ),
    "GET /orders/{order_id}": Point(
        "The way back from the processor's page.", frozenset({"card", "payment"})
    ),
    "POST /v1/device/code": Point("The application signs its computer in.", frozenset({"device"})),
    "POST /device": Point("A person lets a computer in.", frozenset({"device"})),
    "POST /v1/launches": Point(
        "The application starts, or is refused.",
        frozenset({"launch", "lease", "computer", "denied"}),
    ),
    "POST /v1/leases/{lease_id}/heartbeats": Point(
        "The application goes on.", frozenset({"lease"})
    ),
    "POST /v1/leases/{lease_id}/end": Point("The application ends.", frozenset({"interval"})),
}  # fmt: skip
FORMS = frozenset(form for point in POINTS.values() for form in point.forms)

SHOWN: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "v": {
        "GET /v1/vendor/licenses": {
            "id": "vendor_license.license", "application": "vendor_license.application",
            "plan": "vendor_license.plan", "plan_name": "vendor_license.plan_name",
            "terms": "vendor_license.terms", "customer": "vendor_license.account",
            "granted_at": "vendor_license.granted_at", "state": "license.standing",
            "kind": "license.terms", "seats": "license.slots", "ends_at": "license.ends_at",
        },
        "GET /v1/vendor/usage": {
            "application": "total.application", "license": "total.license",
            "day": "total.usage_day", "milliseconds": "total.milliseconds",
        },
    },
    "u": {
        "GET /v1/usage": {
            "application": "total.application", "license": "total.license",
            "day": "total.usage_day", "milliseconds": "total.milliseconds",
            "computer": "total.computer",
        },
        "GET /account/usage/days.csv": {
            "day": "total.usage_day", "application": "total.application",
            "license": "total.license", "computer": "total.computer",
            "label": "sealed.fields", "milliseconds": "total.milliseconds",
        },
        "GET /account/usage/intervals.csv": {
            "started_at": "interval.started_at", "ended_at": "interval.ended_at",
            "milliseconds": "interval.ended_at", "application": "interval.application",
            "license": "interval.license", "computer": "interval.computer",
            "label": "sealed.fields", "release": "interval.release",
            "launch_id": "interval.launch_id", "segment": "interval.segment_no",
            "lease": "interval.lease", "ended_by": "interval.by", "rate": "interval.rate",
            "currency": "interval.currency", "terms": "interval.terms",
        },
    },
    "a": {
        "the license and usage logs": {
            "event": "-", "at": "interval.started_at denied.denied_at",
            "ended_at": "interval.ended_at", "milliseconds": "interval.ended_at",
            "ended_by": "interval.by", "lease": "interval.lease", "code": "denied.code",
            "license": "interval.license denied.license", "vendor": "interval.vendor denied.vendor",
            "application": "interval.application denied.application",
            "launch": "interval.launch_id denied.launch_id",
            "segment": "interval.segment_no denied.segment_no",
            "computer": "interval.computer denied.computer",
            "release": "interval.release denied.release",
        },
    },
}  # fmt: skip
"""Who is shown what of a license and its use: each name of an answer, and what it is made of."""


def inventory(policy: Policy) -> Json:
    """The whole of it, under the policy in force."""
    return {
        "controller": "Cetrus",
        "policy": policy.id,
        "recipients": dict(sorted(RECIPIENTS.items())),
        "categories": {name: {"says": says, "fides": key}
                       for name, (says, key) in sorted(CATEGORIES.items())},
        "fields": [field(name, policy) for name in sorted(policy.fields())],
        "items": [item(name) for name in sorted(ITEMS)],
        "objects": [
            {"bucket": kept.bucket, "prefix": kept.prefix, "says": kept.says, "whose": kept.whose,
             "purposes": list(kept.why), "until": kept.until, "fields": attributes(kept.fields)}
            for kept in FAMILIES
        ],
        "queues": [
            {"queue": kept.name, "says": kept.says, "whose": kept.whose,
             "purposes": list(kept.why), "until": kept.until, "fields": attributes(kept.fields)}
            for kept in QUEUES
        ],
        "collection": [
            {"point": name, "says": point.says, "items": sorted(point.types)}
            for name, point in sorted(POINTS.items())
        ],
        "disclosures": [
            {"recipient": disclosures.PROCESSOR, "act": act, "purpose": "billing",
             "fields": sorted(names)}
            for act, names in sorted(disclosures.SENT.items())
        ],
        "fides": manifest(policy),
    }  # fmt: skip


def field(name: str, policy: Policy) -> Json:
    """A field that a person gives: what each purpose that sees it says of it."""
    return {
        "name": name, "says": policies.FIELDS[name], "fides": FIELDS[name],
        "purposes": [
            {"purpose": str(purpose), "says": use.says, "optional": use.optional,
             "recipients": sorted(use.recipients), "until": use.kept,
             "fides": POLICY_USES[purpose]}
            for purpose, use in seeing(name, policy)
        ],
    }  # fmt: skip


def seeing(name: str, policy: Policy) -> Iterable[tuple[Purpose, Use]]:
    return ((purpose, use) for purpose, use in sorted(policy.uses.items()) if name in use.fields)


def item(name: str) -> Json:
    kept = ITEMS[name]
    return {
        "type": name, "table": kept.table, "says": kept.says, "whose": kept.whose,
        "purposes": list(kept.why), "until": kept.until, "attributes": attributes(kept.facts),
    }  # fmt: skip


def attributes(facts: Mapping[str, Fact]) -> list[Json]:
    return [
        {"name": name, "category": fact.category, "seen_by": sorted(fact.seen)}
        for name, fact in sorted(facts.items())
    ]


def manifest(policy: Policy) -> Json:
    """The same as a Fides manifest: what there is, and what it is for."""
    return {"dataset": [dataset(policy)], "system": [system(policy)]}


def dataset(policy: Policy) -> Json:
    sealed = sorted({FIELDS[name] for name in policy.fields()})
    return {
        "fides_key": "cetrus", "organization_fides_key": "default_organization", "name": "Cetrus",
        "collections": [
            {
                "name": name,
                "description": kept.says,
                "fields": [
                    {"name": each,
                     "data_categories": sealed if fact.category == "sealed"
                     else [CATEGORIES[fact.category][1]]}
                    for each, fact in sorted(kept.facts.items())
                ],
            }
            for name, kept in sorted(ITEMS.items()) if kept.facts
        ],
    }  # fmt: skip


def system(policy: Policy) -> Json:
    declared = [
        {
            "name": f"policy.{purpose}", "data_use": POLICY_USES[purpose],
            "data_categories": sorted({FIELDS[name] for name in use.fields}),
            "data_subjects": ["employee" if purpose == "staff" else "customer"],
        }
        for purpose, use in sorted(policy.uses.items())
    ]  # fmt: skip
    declared += [
        {
            "name": f"{use}.{whose}", "data_use": USES[use][1],
            "data_categories": sorted(categories), "data_subjects": [SUBJECTS[whose]],
        }
        for (use, whose), categories in sorted(by_use().items())
    ]  # fmt: skip
    return {
        "fides_key": "cetrus", "organization_fides_key": "default_organization", "name": "Cetrus",
        "system_type": "Service", "privacy_declarations": declared,
    }  # fmt: skip


def by_use() -> dict[tuple[str, str], set[str]]:
    """For each use and whose facts, the categories; what the policy itself says is left out."""
    found: dict[tuple[str, str], set[str]] = {}
    for kept in ITEMS.values():
        for use in kept.why:
            if use in USES:
                names = {CATEGORIES[fact.category][1] for fact in kept.facts.values()}
                found.setdefault((use, kept.whose), set()).update(names)
    return {key: names for key, names in found.items() if names}
