"""Every version of the privacy policy as data: purposes, the fields they see, who receives them.

A version is never edited: its id carries a hash of its content and is bound into everything sealed
under it, so that an edited version opens nothing. A new use of data is a new version. A purpose
that a later version repeats word for word stays bound to the version that first said so.

A field of many, such as the label of each computer, is sealed as `<field>:<which>`.

`when` says what brings a purpose about, from version 3 on; before that, what is optional is an act:

| when | granted by |
|---|---|
| registration | creating the account |
| choice | an answer given beside the field `beside`, which may be no |
| act | an act of its own, such as naming a computer or writing to us |
| law | a payment, because the law wants it kept |

`IN_FORCE` is in force where none was published since. A higher version is *prepared*: it binds
nothing until somebody publishes it (`chalicelib/privacy/published.py`).
"""

from __future__ import annotations

from typing import Any

FIELDS = {
    "account_name": "The name that the account goes by.",
    "login": "The name to sign in with.",
    "email": "The address that mail is sent to.",
    "name": "The name of the person.",
    "phone": "A telephone number.",
    "company": "The company that is billed.",
    "street": "Street and number.",
    "city": "City.",
    "postal_code": "Postal code.",
    "country": "Country.",
    "tax_id": "The tax number of the company.",
    "invited_by": "The account name of who invited you, or whom you invited.",
    "computer_label": "What you call each of your computers, if you give it a name.",
    "message": "What you wrote to us on the contact page.",
}
RECIPIENTS = {
    "cetrus": "Cetrus, who runs this service.",
    "processor": "The company that processes card payments.",
    "inviter": "The account that sent the invitation, which gave us the address.",
    "tax_office": "The tax office, where it asks to see our books.",
}
VERSIONS: dict[int, dict[str, Any]] = {
    1: {
        "account": {
            "says": "To run your account and to write to you about what you ordered.",
            "fields": ["account_name", "login", "email", "name", "phone"],
            "recipients": ["cetrus"],
            "optional": False,
            "kept": "Until the account is erased.",
        },
        "billing": {
            "says": "To bill you for what you used.",
            "fields": [
                "name", "email", "company", "street", "city", "postal_code", "country", "phone",
                "tax_id",
            ],
            "recipients": ["cetrus", "processor"],
            "optional": False,
            "kept": "Until the account is erased.",
        },
    },
}  # fmt: skip
VERSIONS[2] = {
    **VERSIONS[1],
    "computers": {
        "says": "To show you your computers by the names that you gave them.",
        "fields": ["computer_label"],
        "recipients": ["cetrus"],
        "optional": True,
        "kept": "Until you take the name away, or the account is erased.",
    },
    "invitation": {
        "says": "To carry an invitation to you, and to name you to whoever sent it.",
        "fields": ["email", "invited_by"],
        "recipients": ["cetrus", "inviter"],
        "optional": True,
        "kept": "For seven days; if you accept, until you leave.",
    },
}
VERSIONS[3] = {
    **VERSIONS[2],
    "policy_notice": {
        "says": "To tell you by mail before your data is used in a way that was not said here.",
        "fields": ["email"],
        "recipients": ["cetrus"],
        "optional": False,
        "when": "registration",
        "kept": "Until the account is erased.",
    },
    "marketing": {
        "says": "To write to you, twice in thirty days at most, about products, deals and news.",
        "fields": ["email"],
        "recipients": ["cetrus"],
        "optional": True,
        "when": "choice",
        "beside": "email",
        "kept": "Until you say no, or the account is erased.",
    },
    "partner_mail": {
        "says": "To send you material of our partners. We send it; they never see your address.",
        "fields": ["email"],
        "recipients": ["cetrus"],
        "optional": True,
        "when": "choice",
        "beside": "email",
        "kept": "Until you say no, or the account is erased.",
    },
    "support": {
        "says": "To answer what you write to us.",
        "fields": ["email", "name", "phone", "message"],
        "recipients": ["cetrus"],
        "optional": True,
        "when": "act",
        "kept": "Until ninety days after the matter is closed.",
    },
    "fiscal": {
        "says": "To keep what the tax law wants kept of each payment, and for nothing else.",
        "fields": ["name", "company", "street", "city", "postal_code", "country", "tax_id"],
        "recipients": ["cetrus", "tax_office"],
        "optional": False,
        "when": "law",
        "kept": "Ten years from the end of the year of the last payment, whatever becomes of the "
        "account.",
    },
    "staff": {
        "says": "To write to those who work here about privacy and what they can do for it.",
        "fields": ["email"],
        "recipients": ["cetrus"],
        "optional": True,
        "when": "act",
        "kept": "Until they leave.",
    },
}
VERSIONS[4] = {
    **VERSIONS[3],
    "surveys": {
        "says": "To ask you, now and then, how an application serves you.",
        "fields": ["email"],
        "recipients": ["cetrus"],
        "optional": True,
        "when": "choice",
        "beside": "email",
        "kept": "Until you say no, or the account is erased.",
    },
}
IN_FORCE = 3

# What each version's text comes to (chalicelib/privacy/statement.py): never edited once it was
# published. From version 3 on it is part of the version's id, so that the text binds as well.
FIRST_WITH_TEXT = 3
TEXTS = {
    1: "ee1b9c270631b5f8d8fe456f27c41b883901f7a62355973a903c3b856038333e",
    2: "308c85ae745dd63c5ec5e402a846c5ff21adc2ee5a1a4570b952f215722c8c75",
    3: "195eb189b62b0222025a7dcbb0d156e467c6cf32929726a3aafc68d97f9d799a",
    4: "1aaf112c4d80271b5706fabf076d1a4ade52f8a9bb8570787cd6ec69f2fe2b68",
}
