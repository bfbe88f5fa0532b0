"""How each section and each value of an export reads, in the words of the account's pages."""

from __future__ import annotations

from chalicelib.accounts.countries import COUNTRIES
from chalicelib.licenses import rules as licensing
from chalicelib.licenses.members import ROLES
from chalicelib.licenses.status import BARRED
from chalicelib.mail.rules import MailClass
from chalicelib.mail.templates import TOPICS
from chalicelib.mail.wishes import BOUNCED, COMPLAINED, class_row, topic_row
from chalicelib.payments.rules import ORDER_STATES
from chalicelib.privacy import policies
from chalicelib.privacy.rules import Purpose
from chalicelib.privacy.wording import EVENTS
from chalicelib.rights.reading_ways import (
    FACTS,
    RECORDS,
    TABLE,
    Cell,
    Column,
    Section,
    Value,
    accepted,
    address,
    code,
    day,
    fingerprint,
    how_often,
    known_as,
    launches,
    license_name,
    money,
    one_of,
    plain,
    some_of,
    spoken,
    time,
    use,
    used,
    version,
    why,
)  # fmt: skip

DETAILS = {
    "account_name": "Account name", "login": "Login name", "email": "Email address",
    "name": "Your name", "company": "Company", "street": "Street and number",
    "postal_code": "Postal code", "city": "Town or city", "country": "Country", "phone": "Phone",
    "tax_id": "Tax number",
}  # fmt: skip
"""As the forms of the account call them."""
ACCOUNT_STATES = {
    "unconfirmed": "Not confirmed yet", "active": "Active", "deactivated": "Deactivated",
    "ending": "Being erased",
}  # fmt: skip
LICENSE_STATES = {licensing.ACTIVE: "Active", **BARRED}
SUBSCRIPTION_STATES = {
    "active": "Renews", "canceling": "Canceled", "past_due": "The card was refused",
    "ended": "Ended",
}  # fmt: skip
DISPUTES = {
    "inquiry": "A bank asks about it", "open": "Asked back by a bank, not decided",
    "lost": "Taken back by a bank",
}  # fmt: skip
SWITCHED_OFF = {
    BOUNCED: "Notices, since mail to your address bounces",
    COMPLAINED: "Notices, since a mail of ours was reported as spam",
    class_row(MailClass.NOTICE): "Notices by mail",
    **{topic_row(name): label for name, label in TOPICS.items()},
}
CLASSES = {
    class_row(MailClass.OFFER): Purpose.MARKETING,
    class_row(MailClass.PARTNER): Purpose.PARTNER_MAIL,
}


def unwanted(of: Value) -> Cell:
    if of.value in CLASSES:
        return Cell(of.words.titles[CLASSES[of.value]])
    return Cell(SWITCHED_OFF.get(of.value) or spoken(of.value.rpartition("#")[2]))


def named(of: Value) -> Cell:
    return Cell(SECTIONS[of.value].title if of.value in SECTIONS else spoken(of.value))


WHEN, VERSION = Column("When", {"at": time}), Column("Statement", {"policy": version})
IDS = {
    "order_id": known_as("order"), "license_id": known_as("license"),
    "application_id": known_as("application"), "vendor_id": known_as("vendor"),
    "plan_id": known_as("plan"), "account_id": known_as("account"), "slug": known_as("its page"),
}  # fmt: skip
SECTIONS: dict[str, Section] = {
    "profile": Section(
        "Your details", "What you told us about you.", "We hold no detail of yours.", FACTS,
        tuple(
            Column(label, {key: one_of(COUNTRIES) if key == "country" else plain})
            for key, label in DETAILS.items()
        ),
    ),
    "account": Section(
        "Your account", "What we hold of the account itself. Your password is not here: we hold "
        "only a check that cannot be turned back.", "Nothing.", FACTS,
        (
            Column("State", {"state": one_of(ACCOUNT_STATES)}),
            Column("Created", {"created_at": time}),
            Column("Address confirmed", {"confirmed_at": time}),
            Column("In our records", {"id": known_as("account"),
                                      "pseudonym": known_as("your random name")}),
        ),
    ),
    "grants": Section(
        "What it may be used for", "Each use that a detail of yours may be opened for, in the "
        "words that you gave it under.", "Nothing of yours may be used.", RECORDS,
        (
            Column("Use", {"purpose": use}), Column("What for", {"says": plain}),
            Column("Details", {"fields": some_of(DETAILS)}),
            Column("Who sees it", {"recipients": some_of(policies.RECIPIENTS, " ")}),
            Column("Kept", {"kept": plain}), Column("Statement", {"policy": fingerprint}),
        ),
    ),
    "choices": Section(
        "Choices and their dates", "Each answer that you gave to a question of the statement.",
        "You have answered no question in the time that this file is about.", TABLE,
        (
            WHEN, Column("Use", {"purpose": use}), Column("Your answer", {"event": one_of(EVENTS)}),
            VERSION, Column("How", {"reason": why}), Column("Row", {"number": plain}),
        ),
        told=frozenset({"about"}),
    ),
    "licenses": Section(
        "Your licenses", "What you may run.", "You have no license.", TABLE,
        (
            Column("Application", {"application": plain}), Column("Plan", {"plan": plain}),
            Column("State", {"standing": one_of(LICENSE_STATES)}),
            Column("Since", {"granted_at": time}), Column("Ends", {"ends_at": time}),
            Column("License", {"license": code}),
        ),
    ),
    "members": Section(
        "People of your licenses", "Whom you invited to a license of yours.",
        "You have invited nobody to a license.", TABLE,
        (
            Column("Address", {"address": plain}), Column("May", {"role": one_of(ROLES)}),
            Column("State", {"accepted": accepted}), Column("Since", {"since": time}),
            Column("License", {"license": license_name}),
        ),
    ),
    "memberships": Section(
        "Shared with you", "Licenses that somebody else pays for, and you may use.",
        "No license is shared with you.", RECORDS,
        (
            Column("License", {"application_name": plain, "plan_name": plain}),
            Column("You may", {"role": one_of(ROLES)}), Column("Since", {"joined_at": time}),
            Column("In our records", {
                "license": known_as("license"), "application": known_as("application"),
                "vendor": known_as("vendor"), "plan": known_as("plan"),
                "owner": known_as("account that pays"), "invitation": known_as("invitation"),
            }),
        ),
    ),
    "computers": Section(
        "Your computers", "Where your applications run, by the key that each computer made itself.",
        "No computer has launched anything under a license of yours.", TABLE,
        (
            Column("Computer", {"name": plain, "computer": code}),
            Column("License", {"license": license_name}),
            Column("May launch", {"blocked": launches}),
        ),
    ),
    "usage": Section(
        "Usage", "How long each application ran, by day (UTC). The days are not in your time zone, "
        "because usage is counted so.", "No use is counted.", TABLE,
        (
            Column("Day (UTC)", {"day": day}), Column("Time used", {"milliseconds": used}),
            Column("License", {"license": license_name}),
            Column("Application", {"application": code}),
        ),
    ),
    "orders": Section(
        "Orders", "What you ordered, and what became of it.", "You have ordered nothing.", TABLE,
        (
            Column("Order", {"application_name": plain, "plan": plain}),
            Column("Placed", {"at": time}), Column("State", {"state": one_of(ORDER_STATES)}),
            Column("Amount", {"amount": money}), Column("Seats", {"seats": plain}),
            Column("Card", {"card": plain}),
            Column("In our records", {"id": known_as("order"), "license_id": known_as("license")}),
        ),
        told=frozenset({"currency"}),
    ),
    "payments": Section(
        "Payments", "What was paid by card. The number of the card is not here: our card processor "
        "alone has it.", "You have paid nothing.", RECORDS,
        (
            Column("For", {"application_name": plain}), Column("Paid", {"taken_at": time}),
            Column("Amount", {"amount": money}), Column("Given back", {"refunded": money}),
            Column("State", {"dispute": one_of(DISPUTES)}),
            Column("Asked back by a bank", {"disputed": money}),
            Column("Taken back by a bank", {"lost": money}),
            Column("Period, counted from 0", {"period": plain}),
            Column("In our records", {"id": known_as("payment"), **IDS}),
        ),
        told=frozenset({"currency"}),
    ),
    "subscriptions": Section(
        "Subscriptions", "What is renewed until you cancel it.", "You have no subscription.",
        RECORDS,
        (
            Column("Subscription", {"application_name": plain, "plan_name": plain}),
            Column("State", {"state": one_of(SUBSCRIPTION_STATES)}),
            Column("Seats", {"seats": plain}), Column("Price of a seat", {"price": money}),
            Column("Charged", {"months": how_often}),
            Column("Ordered", {"anchor": time}),
            Column("Period, counted from 0", {"period": plain}),
            Column("Paid from", {"period_start": time}), Column("Paid until", {"period_end": time}),
            Column("Next due", {"due": time}), Column("Tries to charge", {"tries": plain}),
            Column("Number of the try that is on its way", {"charging": plain}),
            Column("Why the last charge failed", {"refused": one_of({})}),
            Column("In our records", IDS),
        ),
        told=frozenset({"currency"}),
    ),
    "sessions": Section(
        "Where you are signed in", "Each browser that signed in and has not signed out. Neither an "
        "address nor the kind of browser is held.", "You are signed in nowhere.", TABLE,
        (
            Column("Signed in", {"started_at": time}),
            Column("Last used (UTC day)", {"used_on": day}), Column("Ends", {"ends_at": time}),
        ),
    ),
    "notices": Section(
        "Notices by mail", "How you want to be written to. Without a time zone, times are in UTC.",
        "Nothing.", FACTS,
        (
            Column("Time zone", {"time_zone": plain}),
            Column("Switched off", {"not_wanted": some_of(TOPICS)}),
        ),
    ),
    "not_wanted": Section(
        "Mail that your address wants no more of", "We know it by a code that cannot be turned "
        "back into your address.", "No mail is stopped for your address.", TABLE,
        (Column("What", {"what": unwanted}), Column("Since", {"since": time})),
    ),
    "mails": Section(
        "Mail we sent you", "Each mail that was made ready for you: its kind and its date. What "
        "it said is not kept.", "No mail went to you in the time that this file is about.", TABLE,
        (WHEN, Column("Mail", {"template": one_of({})})),
    ),
    "uses": Section(
        "Who looked at what, and why", "Every time that your data was collected, corrected, opened "
        "or passed on, the oldest first. Making this file is among them.", "Nothing is on record.",
        TABLE,
        (
            WHEN, Column("What", {"event": one_of(EVENTS)}), Column("For", {"purpose": use}),
            VERSION, Column("Why", {"reason": why}), Column("About", {"about": known_as("order")}),
            Column("Row", {"number": plain}),
        ),
    ),
    "further_files": Section(
        "Further files", "What is older on record stands in files of their own. Sign in to open "
        "them.", "There is no further file: everything on record is in this one.", TABLE,
        (
            Column("Rows", {"rows": plain}), Column("To read", {"html": address}),
            Column("For programs", {"json": address}),
        ),
    ),
    "left_out": Section(
        "What is left out", "Rows that are too many for one file, and where to see them.",
        "Nothing is left out.", TABLE,
        (
            Column("Section", {"section": named}), Column("Rows left out", {"rows": plain}),
            Column("Where", {"where": address}),
        ),
    ),
}  # fmt: skip
