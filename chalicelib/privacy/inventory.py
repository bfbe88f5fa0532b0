"""Everything that is stored, declared once: whose it is, what for, how long, and who sees it.

A writer refuses what is not declared here (`chalicelib/storage/declared.py`). Whoever stores
something new adds the item type to ITEMS, or the attribute to its type: a line of attributes says
their category and who is shown them (u the user, v the vendor of the application, a an
administrator of Cetrus). Attributes of every item (`pk`, `sk`, `type`, `v`) and of indexes and the
broom (TECHNICAL) go without saying. `name:*` stands for every attribute that begins so.

A place is `<pk up to the first #>/<sk up to the first #>`; a sort key that begins with a digit is
`0`, and `*` is any.
"""

from __future__ import annotations

from typing import NamedTuple

ACCOUNTS, USAGE, KEYS = "accounts", "usage", "keys"
TECHNICAL = frozenset(
    {"pk", "sk", "type", "v", "gsi1pk", "gsi1sk", "head_shard", "purge_at"}
)  # fmt: skip


class Fact(NamedTuple):
    """An attribute: its category (a key of `declaration.CATEGORIES`) and who is shown it."""

    category: str
    seen: frozenset[str]


class Kept(NamedTuple):
    """An item type: whose facts these are, what they are for, and until when they are kept."""

    table: str
    places: tuple[str, ...]
    says: str
    whose: str
    why: tuple[str, ...]
    until: str
    facts: dict[str, Fact]

    @property
    def personal(self) -> bool:
        """Is it about a person, by name, in seal or by pseudonym?"""
        return self.whose in {PERSON, STAFF, WRITER}


class Family(NamedTuple):
    """The objects of one kind in a bucket: `prefix` is how their keys begin."""

    bucket: str
    prefix: str
    says: str
    whose: str
    why: tuple[str, ...]
    until: str
    fields: dict[str, Fact]


class Queue(NamedTuple):
    """What waits in a queue of the template: whose it is, what for, and for how long at most."""

    name: str
    says: str
    whose: str
    why: tuple[str, ...]
    days: int
    fields: dict[str, Fact]

    @property
    def until(self) -> str:
        return f"until it is taken in, within seconds; {self.days} days at most"


PERSON, STAFF, WRITER, VENDOR, NOBODY = "person", "staff", "writer", "vendor", "nobody"
ERASED = "until the account is erased"
LICENSE = "as long as the license is billed, and as the law wants its bill kept"
BOOKS = "ten years from the end of the year, as the law wants"
CATALOG = "as long as the catalog has it"
USED_UP = "until it has served its purpose"


Line = tuple[str, str, str]


def facts(*lines: Line) -> dict[str, Fact]:
    """From lines of category, who sees it, and names."""
    return {
        name: Fact(category, frozenset(seen))
        for category, seen, names in lines
        for name in names.split()
    }


def kept(
    table: str, places: str, says: str, whose: str, why: str, until: str, *lines: Line
) -> Kept:
    return Kept(table, tuple(places.split()), says, whose, tuple(why.split()), until, facts(*lines))


ITEMS: dict[str, Kept] = {
    # accounts and who they are of
    "account": kept(
        ACCOUNTS, "ACCOUNT/ACCOUNT", "An account, by pseudonyms and keyed hashes.", PERSON,
        "account security", ERASED,
        ("pseudonym", "", "subject email_claim login_claim"),
        ("password", "", "password"),
        ("activity", "u", "created_at confirmed_at addressed_at"),
        ("choice", "u", "opted_out_at"),
        ("activity", "", "state decoy undone ending_since deactivated_at epoch"),
    ),
    "email_claim": kept(
        ACCOUNTS, "EMAIL/EMAIL", "Whose an address is, by its keyed hash.", PERSON,
        "account security", ERASED,
        ("pseudonym", "", "account"), ("activity", "", "told_on"),
    ),
    "login_claim": kept(
        ACCOUNTS, "LOGIN/LOGIN", "Whose a login name is, by its keyed hash.", PERSON,
        "account security", ERASED, ("pseudonym", "", "account"),
    ),
    "email_change": kept(
        ACCOUNTS, "ACCOUNT/EMAIL_CHANGE", "The wish to move to another address.", PERSON,
        "account security", "until it is done or over, and a week more",
        ("pseudonym", "", "subject claim"), ("activity", "u", "asked_at ends_at change_state"),
        ("choice", "u", "chosen"),
    ),
    "opt_in": kept(
        ACCOUNTS, "OPTIN/*", "A yes that waits to be said again from the mailbox.", PERSON,
        "partner_mail", "until it is said, at most two days",
    ),
    "guest": kept(
        ACCOUNTS, "SUBJECT/GUEST", "Somebody known by one sealed address, for a while.", PERSON,
        "invitation account", "seven days; if they accept, until they leave",
        ("pseudonym", "", "license invitation case"), ("activity", "", "ending"),
    ),
    "sealed": kept(
        ACCOUNTS, "SUBJECT/SEALED", "Personal fields, sealed for one purpose.", PERSON,
        "by-policy", "as the policy says for the purpose",
        ("sealed", "u", "fields"), ("activity", "u", "policy at"),
    ),
    "grant": kept(
        KEYS, "SUBJECT/KEY", "The key of one purpose: the grant itself.", PERSON,
        "by-policy", "until it is withdrawn, or the account is erased",
        ("secret", "", "data_key"), ("choice", "u", "purpose policy at"),
    ),
    "held_grant": kept(
        KEYS, "HELD/KEY", "The key of a purpose while the account is deactivated.", PERSON,
        "by-policy", "until the account is active again, or erased",
        ("secret", "", "data_key"), ("choice", "u", "purpose policy at"),
    ),
    "ledger": kept(
        ACCOUNTS, "LEDGER/ROW", "What was done with somebody's data; no data itself.", PERSON,
        "privacy law",
        "for good, under a pseudonym that nothing else has after an erasure; what a row was about "
        "is a reference whose key is deleted then, and its instants stay",
        ("pseudonym", "", "subject"),
        ("choice", "ua", "number at event purpose policy reason"),
        ("technical", "a", "previous hash"),
    ),
    "session": kept(
        USAGE, "SESSION/SESSION", "A browser that is signed in.", PERSON, "security",
        "until it ends, thirty days at most",
        ("pseudonym", "", "account"), ("activity", "u", "created_at used_on"),
        ("technical", "", "epoch ends_at"),
    ),
    "session_listed": kept(
        USAGE, "SESSIONS/0 SESSIONS/*", "Where a session of an account is.", PERSON, "security",
        "until it ends, thirty days at most", ("secret", "", "session"),
    ),
    "link": kept(
        USAGE, "LINK/LINK", "A mail link that works once.", PERSON, "account security", USED_UP,
        ("pseudonym", "", "target account"),
        ("technical", "", "kind ends_at epoch made_at used_at"),
    ),
    "rate": kept(
        USAGE, "RATE/RATE", "How often something was tried in a window.", PERSON, "security",
        "a day after the window", ("technical", "", "n"),
    ),
    # leaving
    "leaving": kept(
        ACCOUNTS, "ACCOUNT/LEAVING", "That somebody rests their account, or leaves.", PERSON,
        "account law", "until it is done",
        ("choice", "u", "leaving stage asked_at due reason"), ("purchase", "u", "canceled"),
    ),
    "tombstone": kept(
        ACCOUNTS, "ACCOUNT/ERASED", "That an account was erased, and on which day.", PERSON, "law",
        "for good, under an id that leads to nobody", ("activity", "", "erased_on"),
    ),
    "erased": kept(
        KEYS, "ERASED/ACCOUNT", "That an account was erased, where no restore undoes it.", PERSON,
        "law", "for good, under an id that leads to nobody", ("activity", "", "erased_on"),
    ),
    "rests": kept(
        KEYS, "RESTS/ACCOUNT", "That an account is deactivated, where no restore undoes it.",
        PERSON, "law", "until the account is active again, or erased", ("activity", "", "at"),
    ),
    "fiscal_key": kept(
        ACCOUNTS, "FISCAL/KEY", "The key of what the tax law wants kept, wrapped for that alone.",
        PERSON, "by-policy", BOOKS, ("secret", "", "data_key"), ("choice", "", "policy ends_at"),
    ),
    "fiscal": kept(
        ACCOUNTS, "FISCAL/SEALED", "What the tax law wants kept of a payer, sealed.", PERSON,
        "by-policy", BOOKS, ("sealed", "a", "fields"),
    ),
    # payments
    "order": kept(
        ACCOUNTS, "ACCOUNT/ORDER", "An order, with the plan as it was.", PERSON, "billing", BOOKS,
        ("pseudonym", "", "account_id"),
        ("purchase", "u", ("id state plan application_name slug created_at paid_at seats amount "
         "refusal card license_id")),
        ("technical", "", "version session_id payment_id card_for"),
    ),
    "order_pointer": kept(
        ACCOUNTS, "ORDER/ORDER", "Whose an order is.", PERSON, "billing", BOOKS,
        ("pseudonym", "", "account_id"),
    ),
    "wish": kept(
        ACCOUNTS, "ACCOUNT/WISH", "The one order of a plan that is open.", PERSON, "billing",
        ERASED,
        ("purchase", "", "order_id"),
    ),
    "subscription": kept(
        ACCOUNTS, "ACCOUNT/SUBSCRIPTION", "What is renewed, and for how much.", PERSON, "billing",
        BOOKS,
        ("pseudonym", "", "account_id"),
        ("purchase", "u", ("license_id order_id application_name slug plan_name currency price "
         "seats months period_start period_end state refused next_charge")),
        ("technical", "", ("vendor_id application_id plan_id anchor period due tries charging "
         "version")),
    ),
    "attempt": kept(
        ACCOUNTS, "ACCOUNT/ATTEMPT", "A try to charge a period.", PERSON, "billing", BOOKS,
        ("pseudonym", "", "account_id customer method"),
        ("purchase", "", ("license_id period number card amount currency started_at outcome "
         "payment_id code")),
    ),
    "payment": kept(
        ACCOUNTS, "ACCOUNT/PAYMENT", "A payment, and what was given back of it.", PERSON,
        "billing", BOOKS,
        ("pseudonym", "", "account_id"),
        ("purchase", "u", ("id order_id license_id application_name amount currency taken_at "
         "period refunded dispute disputed lost")),
        ("technical", "", "application_id vendor_id version"),
    ),
    "payment_pointer": kept(
        ACCOUNTS, "PAYMENT/PAYMENT", "Whose a payment is.", PERSON, "billing", BOOKS,
        ("pseudonym", "", "account_id"),
    ),
    "entry": kept(
        ACCOUNTS, "BOOKS/0", "An entry of the books.", PERSON, "billing law", BOOKS,
        ("purchase", "a", "id at currency postings about"),
    ),
    "customer": kept(
        ACCOUNTS, "ACCOUNT/CUSTOMER", "The account's name at the processor.", PERSON, "billing",
        ERASED, ("pseudonym", "", "customer"),
    ),
    "card": kept(
        ACCOUNTS, "ACCOUNT/CARD", "The card in use: brand, last four digits, expiry.", PERSON,
        "billing", ERASED,
        ("card", "u", "brand last4 exp_month exp_year"),
        ("pseudonym", "", "customer method"), ("technical", "", "order_id"),
    ),
    "trial": kept(
        ACCOUNTS, "ACCOUNT/TRIAL", "The mark of the one trial of an application.", PERSON,
        "licensing", ERASED, ("purchase", "u", "license granted_at"),
    ),
    "inbox": kept(
        ACCOUNTS, "INBOX/INBOX", "An event of the processor, without its body.", PERSON, "billing",
        "ninety days",
        ("purchase", "", "order_id payment_id object_id"),
        ("technical", "", "event_type sha256 secret_id state attempts received_at outcome"),
    ),
    "effect": kept(
        ACCOUNTS, "EFFECT/EFFECT", "What a fact of the processor did, once.", PERSON, "billing",
        BOOKS, ("purchase", "", "order_id at"),
    ),
    "contract": kept(
        ACCOUNTS, "RECIPIENT/CONTRACT", "The contract that binds a recipient.", NOBODY, "privacy",
        "as long as the recipient is one, and three years more",
        ("technical", "a", "contract until at"),
    ),
    # licenses
    "ownership": kept(
        ACCOUNTS, "ACCOUNT/LICENSE", "A license that an account owns.", PERSON, "licensing",
        LICENSE,
        ("pseudonym", "v", "account"),
        ("purchase", "uv", "license application plan plan_name terms granted_at"),
        ("purchase", "u", "application_name"), ("technical", "", "vendor ground"),
    ),
    "vendor_license": kept(
        ACCOUNTS, "VENDOR/LICENSE", "The same in its vendor's list.", PERSON, "licensing", LICENSE,
        ("pseudonym", "v", "account"),
        ("purchase", "uv", "license application plan plan_name terms granted_at"),
        ("purchase", "", "application_name"), ("technical", "", "vendor ground"),
    ),
    "membership": kept(
        ACCOUNTS, "ACCOUNT/MEMBER", "A license that somebody else pays for.", PERSON, "licensing",
        "until they leave, and ninety days more",
        ("pseudonym", "", "owner invitation"),
        ("purchase", "u", "license application application_name plan plan_name role joined_at"),
        ("technical", "", "vendor member_state"),
    ),
    "invitation": kept(
        ACCOUNTS, "PEOPLE/INVITED", "An invitation, and what became of it.", PERSON, "invitation",
        "until it is over, and ninety days more",
        ("pseudonym", "", "owner subject claim member"),
        ("purchase", "u", ("license application application_name plan plan_name role created_at "
         "ends_at invited_state")),
        ("technical", "", "vendor"),
    ),
    "places": kept(
        ACCOUNTS, "PEOPLE/PLACES", "How many people a license has.", PERSON, "licensing", LICENSE,
        ("technical", "", "taken"),
    ),
    "license": kept(
        USAGE, "LICENSE/HEAD", "The license itself: state, limits, terms.", PERSON, "licensing",
        LICENSE,
        ("pseudonym", "", "account people"),
        ("license", "uv", ("license application standing ends_at granted_at terms slots plan "
         "plan_name")),
        ("license", "u", "application_name slug currency blocked"),
        ("technical", "", "vendor epoch capped key_hash holds"),
    ),
    "computer": kept(
        USAGE, "LICENSE/COMPUTER", "A computer, by the thumbprint of a key that it made itself.",
        PERSON, "licensing", LICENSE, ("computer", "u", "added_at seen_at"),
    ),
    "room": kept(
        USAGE, "LICENSE/ROOM", "What is left under a cap, or of a pass.", PERSON, "licensing",
        LICENSE, ("license", "u", "cap room spent"),
    ),
    "lease": kept(
        USAGE, "LICENSE/SLOT LICENSE/USE", "What runs now, or ran in this seat last.", PERSON,
        "licensing", LICENSE,
        ("pseudonym", "", "person"), ("usage", "u", "license started_at computer release"),
        ("usage", "a", "lease launch_id segment_no expires_at rate terms free_ms screen"),
        ("technical", "", "seq seen epoch lease_ms key closed shown seat_over"),
    ),
    "launch": kept(
        USAGE, "LAUNCH/LAUNCH", "A launch, and where its lease is.", PERSON, "licensing", LICENSE,
        ("usage", "a", "license launch_id segment_no started_at application computer release"),
        ("technical", "", "held_in screen_title screen_body ended"),
    ),
    "interval": kept(
        USAGE, "LICENSE/0", "What ran from when to when: what a bill is made of.", PERSON,
        "licensing billing", LICENSE,
        ("usage", "ua", ("license application started_at ended_at computer release lease launch_id "
         "segment_no by")),
        ("usage", "u", "rate currency terms"),
        ("usage", "a", "vendor"),
        ("technical", "", "held_until free_ms prepaid screen"),
        ("pseudonym", "", "person"),
    ),
    "denied": kept(
        USAGE, "LICENSE/DENIED", "A launch that was refused, and why.", PERSON, "licensing",
        "forty days, and in the logs as long as they are kept",
        ("usage", "a", ("license application vendor launch_id segment_no code computer release "
         "denied_at")),
    ),
    "counted": kept(
        USAGE, "LICENSE/COUNTED", "That a stretch is in the totals.", PERSON, "licensing", LICENSE,
        ("technical", "", "milliseconds"),
    ),
    "total": kept(
        USAGE, "TOTALS/0", "What was used of a license on a day, all told or on a computer.",
        PERSON, "licensing billing", LICENSE,
        ("usage", "uv", "license application usage_day milliseconds"),
        ("computer", "u", "computer"),
    ),
    "watermark": kept(
        USAGE, "LICENSE/WATERMARK", "How far totals are counted.", NOBODY, "licensing", LICENSE,
        ("technical", "", "reached"),
    ),
    "log_mark": kept(
        USAGE, "LICENSE/WATERMARK", "How far the log is written.", NOBODY, "licensing", LICENSE,
        ("technical", "", "written announced"),
    ),
    "work": kept(
        USAGE, "LICENSE/WORK", "What a stop has left to do.", NOBODY, "licensing", USED_UP,
        ("technical", "", "epoch"),
    ),
    "vacate": kept(
        USAGE, "LICENSE/VACATE", "Leases that a block has yet to end.", NOBODY, "licensing",
        USED_UP,
    ),
    # computers that sign in
    "device": kept(
        USAGE, "DEVICE/DEVICE", "A computer that waits for a person's word.", PERSON, "security",
        "a day",
        ("pseudonym", "", "account"), ("computer", "", "computer"),
        ("technical", "", ("hash application application_name device_state interval_s expires_at "
         "polled_at epoch")),
    ),
    "user_code": kept(
        USAGE, "CODE/CODE", "The code that a person types.", NOBODY, "security", "a day",
        ("secret", "", "device"), ("technical", "", "expires_at"),
    ),
    "sign_in": kept(
        USAGE, "FAMILY/FAMILY", "The sign-in of a computer.", PERSON, "security",
        "a day after it has ended",
        ("pseudonym", "", "account"), ("computer", "", "computer"),
        ("technical", "", "id application family_state epoch ends_at"),
    ),
    "refresh_token": kept(
        USAGE, "REFRESH/REFRESH", "A token of a sign-in, by its keyed hash.", PERSON, "security",
        "a day after it has ended",
        ("technical", "", "family token_state ends_at"),
    ),
    "signing_key": kept(
        ACCOUNTS, "SIGNING/KEY", "A key that signs leases, wrapped.", NOBODY, "licensing",
        "as long as what it signed is believed",
        ("secret", "", "wrapped"), ("technical", "", "kid jwk not_before signs_until not_after"),
    ),
    "idempotency": kept(
        USAGE, "IDEM/IDEM", "The answer to a call, for whoever sends it twice.", VENDOR, "security",
        "a day", ("technical", "", "digest answer ends_at"),
    ),
    # mail
    "message": kept(
        ACCOUNTS, "MESSAGE/MESSAGE", "A mail to be sent, without an address.", PERSON, "mail",
        f"{ERASED}; one that waited then, until it is due, and two days; one that ended before it "
        "was opened, ninety days",
        ("pseudonym", "", "account claim"),
        ("mail", "u", "template arguments"),
        ("technical", "", ("id class created_at due not_after state tries claimed_until handing "
         "ended_at why counted")),
    ),
    "message_listed": kept(
        ACCOUNTS, "MESSAGE/SENT", "Which mails an account got, for its erasure.", PERSON, "mail",
        ERASED,
    ),
    "unsubscribe_listed": kept(
        ACCOUNTS, "MESSAGE/STOPS", "Which links stop mail of an account, for its erasure.", PERSON,
        "mail", ERASED,
    ),
    "cap": kept(
        ACCOUNTS, "CAP/CLASS", "When an account got its latest mails of a class.", PERSON, "mail",
        ERASED, ("activity", "", "t1 t2"),
    ),
    "mailed": kept(
        ACCOUNTS, "MAILED/MAILED", "How the mails of a mailing ended, counted.", NOBODY, "mail",
        "as long as there is the mailing",
        ("count", "a", ("sent no_recipient refused unknown stale failed unwanted cap unapproved "
         "no_grant")),
    ),
    "suppression": kept(
        ACCOUNTS, "SUPPRESSION/*", "Mail that an address does not get, by its keyed hash.", PERSON,
        "mail", "for good, so that nobody is written to again",
        ("choice", "u", "source at lifted_at"),
    ),
    "unsubscribe": kept(
        ACCOUNTS, "UNSUBSCRIBE/UNSUBSCRIBE", "What a link at the foot of a mail ends.", PERSON,
        "mail", f"{ERASED}; from then on ninety days without the account, so that it still stops",
        ("pseudonym", "", "suppression account"), ("choice", "", "row"),
    ),
    "notices": kept(
        ACCOUNTS, "NOTICES/NOTICES", "An account's choices about mail.", PERSON, "mail", ERASED,
        ("choice", "u", "topics_off time_zone"),
        ("activity", "u", "bounced_at bounced_cleared_at complained_at complained_cleared_at"),
    ),
    "stopped": kept(
        ACCOUNTS, "NOTICES/STOPPED", "A mail to us stopped a class: its keys are still to end.",
        PERSON, "mail", "for some minutes, until the keys are gone",
    ),
    "agenda": kept(
        ACCOUNTS, "AGENDA/AGENDA", "When an account is looked at for mail.", PERSON, "mail", ERASED,
        ("technical", "", "looked_until look_at"),
    ),
    "case": kept(
        ACCOUNTS, "CASE/CASE", "A matter that somebody brought to us.", WRITER, "support",
        "for good; it says nothing of who wrote or what",
        ("pseudonym", "", "subject sender"),
        ("technical", "a", ("id kind state object created_at due_at alert_at acknowledged_at "
         "alerted_at escalated_at closed_at")),
    ),
    "cursor": kept(
        ACCOUNTS, "CURSOR/CURSOR", "How far something was read.", NOBODY, "operation", USED_UP,
        ("technical", "", "read_until after"),
    ),
    # mailings of staff
    "mailing": kept(
        ACCOUNTS, "MAILING/MAILING",
        "A mail to many: its text, who wrote it, who approved or refused it, and why.", STAFF,
        "mail", "for good, because the ledger names it",
        ("pseudonym", "a", "author approver refuser"), ("staff", "a", "content why"),
        ("technical", "a", ("id state created_at sha256 approved at until after0 after1 after2 "
         "after3 people counted_at refused_at")),
    ),
    "mailing_listed": kept(
        ACCOUNTS, "MAILINGS/0", "Its place in the list.", NOBODY, "mail",
        "as long as there is the mailing", ("technical", "a", "mailing"),
    ),
    "screen": kept(
        ACCOUNTS, "SCREENS/*", "An announcement that launches show.", STAFF, "mail",
        "until it is over or stopped",
        ("pseudonym", "a", "author approver"), ("staff", "u", "content"),
        ("technical", "a", "id state created_at sha256 approved at until"),
    ),
    # policy
    "policy_notices": kept(
        ACCOUNTS, "POLICY/NOTICES", "How far a published policy was told to people.",
        NOBODY, "privacy", "for good",
        ("pseudonym", "", "place"), ("technical", "", "number at look_at"),
    ),
    "policy": kept(
        ACCOUNTS, "POLICY/IN_FORCE POLICY/VERSION", "Which policy is in force, and since when.",
        NOBODY, "privacy", "for good", ("technical", "uva", "number policy at"),
    ),
    # vendors and their catalog
    "vendor": kept(
        ACCOUNTS, "VENDOR/VENDOR", "A vendor.", VENDOR, "catalog", CATALOG,
        ("catalog", "uv", "name"), ("technical", "", "id keys created_at"),
    ),
    "vendor_token": kept(
        ACCOUNTS, "VENDORTOKEN/TOKEN", "A token of a vendor's program, by its keyed hash.", VENDOR,
        "security", "until it is revoked",
        ("technical", "", "vendor_id label created_at"),
    ),
    "application": kept(
        ACCOUNTS, "APPLICATION/APPLICATION", "An application.", VENDOR, "catalog", CATALOG,
        ("catalog", "uv", "id vendor_id vendor_name slug name summary description interest"),
    ),
    "listing": kept(
        ACCOUNTS, "CATALOG/APP", "Its place in the public list.", VENDOR, "catalog", CATALOG,
        ("catalog", "uv", "id vendor_id slug name summary vendor_name interest offers"),
    ),
    "vendor_application": kept(
        ACCOUNTS, "VENDOR/APPLICATION", "Its place in its vendor's list.", VENDOR, "catalog",
        CATALOG, ("catalog", "uv", "id vendor_id"),
    ),
    "plan": kept(
        ACCOUNTS, "APPLICATION/PLAN", "A plan with its terms.", VENDOR, "catalog", CATALOG,
        ("catalog", "uv", "id vendor_id application_id kind name currency terms"),
    ),
    "terms": kept(
        ACCOUNTS, "APPLICATION/TERMS", "A version of a plan's terms.", VENDOR, "catalog", CATALOG,
        ("catalog", "uv", ("version rate free_ms capped lease_ms heartbeat_ms "
         "resume_grace_ms outage_grace_ms outage_mode outage_bill price prepaid_ms valid_ms "
         "period_months")),
    ),
    "version": kept(
        ACCOUNTS, "APPLICATION/VERSION", "That a version exists.", VENDOR, "catalog", CATALOG,
        ("catalog", "uv", "release state id"),
    ),
    "release": kept(
        ACCOUNTS, "APPLICATION/RELEASE", "A release.", VENDOR, "catalog", CATALOG,
        ("catalog", "uv", "id application_id vendor_id version notes published_at state artifacts"),
    ),
    "vendor_release": kept(
        ACCOUNTS, "VENDOR/RELEASE", "Its place in its vendor's list.", VENDOR, "catalog", CATALOG,
        ("catalog", "v", "application_id release"),
    ),
    "artifact": kept(
        ACCOUNTS, "ARTIFACT/ARTIFACT", "An installer: digest, signatures, place.", VENDOR,
        "catalog",
        CATALOG,
        ("catalog", "uv", ("id application_id version platform filename size sha256 key vendor_id "
         "vendor_signature countersignature vendor_key")),
    ),
    # staff
    "staff": kept(
        ACCOUNTS, "STAFF/STAFF", "Somebody who works here, by a keyed hash.", STAFF, "staff",
        "for good, because the ledger names them",
        ("pseudonym", "", "name_claim"), ("password", "", "password"),
        ("staff", "a", "roles state created_at ended_at"), ("technical", "", "epoch"),
    ),
    "staff_name": kept(
        ACCOUNTS, "STAFFNAME/STAFFNAME", "Whose a name is among staff, by its keyed hash.", STAFF,
        "staff", "until they leave", ("pseudonym", "", "staff_id"),
    ),
    "staff_session": kept(
        USAGE, "STAFFSESSION/STAFFSESSION", "A browser of staff that is signed in.", STAFF, "staff",
        "two hours", ("pseudonym", "", "staff_id"), ("technical", "", "epoch ends_at"),
    ),
    # partners, and what they get
    "partner": kept(
        ACCOUNTS, "PARTNERS/*", "A company that gets the aggregates, by contract.", NOBODY,
        "statistics", "as long as the register has it", ("technical", "a", "name ends_at at"),
    ),
    "epsilon": kept(
        ACCOUNTS, "EPSILON/EPSILON", "What a year's aggregates have cost.", NOBODY, "privacy",
        "for good", ("technical", "a", "spent months files"),
    ),
    "looked": kept(
        USAGE, "LOOKED/LOOKED", "What the day's look at the counters of visits came to.", NOBODY,
        "privacy", "until the next day's", ("technical", "", "day"),
        ("count", "", "looked_at findings"),
    ),
    "took": kept(
        USAGE, "TIMES/TOOK", "How long an erasure took, or to stop mail; not whose.", NOBODY,
        "privacy", "forty days", ("count", "", "ms"),
    ),
    "aggregate": kept(
        ACCOUNTS, "AGGREGATES/0", "Which file a month was released as.", NOBODY, "statistics",
        "for good", ("technical", "a", "key sha256 at"),
    ),
    "partner_link": kept(
        USAGE, "PARTNERLINK/PARTNERLINK", "A link that fetches one file, once.", NOBODY,
        "security", "a week", ("technical", "", "partner month ends_at used"),
    ),
    # visits, which are nobody's
    "visits": kept(
        USAGE, "VISITS/0", "Visits of a day or an hour, counted by one attribute.", NOBODY,
        "statistics", "twenty-five months; by hour, a week", ("count", "a", "n:*"),
    ),
    "visitor_log": kept(
        USAGE, "VISITS/0 VISITS/*", "How far a file of the visitor logs came.", NOBODY,
        "statistics", "until the day is closed",
        ("technical", "", "tries counted unreadable"),
    ),
    "exits": kept(
        USAGE, "EXITS/0", "Clicks of a day that led to other sites, by site.", NOBODY, "statistics",
        "twenty-five months", ("count", "a", "n:*"),
    ),
}  # fmt: skip

FAMILIES: tuple[Family, ...] = (
    Family(
        "InstallersBucket", "", "Installers of applications.", VENDOR, ("catalog",), CATALOG, {},
    ),
    Family(
        "LogsBucket", "usage/", "License and usage logs: what ran and what was refused.", PERSON,
        ("licensing", "billing"), LICENSE,
        facts(
            ("usage", "a", ("event at ended_at milliseconds ended_by lease code license vendor "
             "application launch segment computer release")),
        ),
    ),
    Family(
        "LogsBucket", "aggregates/", "Monthly counts for partners, with noise.", NOBODY,
        ("statistics",), "for good",
        facts(("count", "", "month unit epsilon threshold tables")),
    ),
    Family(
        "HeadsBucket", "heads/", "Signed heads: how far each history had come.", PERSON,
        ("privacy", "law"), "for good; locked for the years that the operator sets",
        facts(
            ("pseudonym", "", "chains ahead"),
            ("technical", "", "number from until previous made_at policies"),
        ),
    ),
    Family(
        "ProofBucket", "proof/", "Signed results of the tests and of the last night.", NOBODY,
        ("privacy", "law"), "until the next ones",
        facts(("technical", "", "body kind signature")),
    ),
    Family(
        "MailBucket", "in/", "Mail that reached us, as it came, until it is read.", WRITER,
        ("support",), "until it is done; forty-five days where it became a case",
        facts(("letter", "a", "mail")),
    ),
    Family(
        "VisitorLogsBucket", "", "Raw logs of the front door, of which counters are made.", NOBODY,
        ("statistics",), "twenty hours at most",
        facts(
            ("visit", "", ("date time c-ip asn c-country cs-method cs(Referer) cs(User-Agent) "
             "sc-status cache-behavior-path-pattern")),
        ),
    ),
)  # fmt: skip


QUEUES: tuple[Queue, ...] = (
    Queue(
        "MailQueue", "That a mail is to be sent now, by its id.", PERSON, ("mail",), 4,
        facts(("mail", "", "message")),
    ),
    Queue(
        "MailDlq", "The same, where sending it failed again and again.", PERSON, ("mail",), 14,
        facts(("mail", "", "message")),
    ),
    Queue(
        "MailFeedbackQueue",
        "That a mail came back or was called spam, as the mail service says it, with the address.",
        PERSON, ("mail",), 4, facts(("letter", "", "eventType bounce complaint mail")),
    ),
    Queue(
        "MailFeedbackDlq", "The same, where it could not be taken in; an alarm says so at once.",
        PERSON, ("mail",), 4, facts(("letter", "", "eventType bounce complaint mail")),
    ),
    Queue(
        "PaymentsQueue", "That the processor told something, by the id of its event.", PERSON,
        ("billing",), 4, facts(("purchase", "", "event")),
    ),
    Queue(
        "PaymentsDlq", "The same, where taking it in failed again and again.", PERSON,
        ("billing",), 14, facts(("purchase", "", "event")),
    ),
)  # fmt: skip


def shapes(table: str) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """The attributes and places of each type of the table, for whoever refuses all others."""
    return {
        name: (TECHNICAL | item.facts.keys(), frozenset(item.places))
        for name, item in ITEMS.items()
        if item.table == table
    }
