"""Every version of the privacy policy as data: purposes, the fields they see, who receives them.

A version is never edited: its id carries a hash of its content and is bound into everything sealed
under it, so that an edited version opens nothing. A new use of data is a new version. A purpose
that a later version repeats word for word stays bound to the version that first said so.

A field of many, such as the label of each computer, is sealed as `<field>:<which>`.
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
}
RECIPIENTS = {
    "cetrus": "Cetrus, who runs this service.",
    "processor": "The company that processes card payments.",
    "inviter": "The account that sent the invitation, which gave us the address.",
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
IN_FORCE = 2
