"""Some forty values that stand nowhere else, and the places where each of them belongs."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.cloud.people import CARD, RUN

OWNER, MOVED, INVITED, WRITER, SENDER, STOPPED, STAFF = (
    f"mail to {whom}"
    for whom in ("the owner", "the new address", "who is invited", "who writes by the form",
                 "who writes by mail", "who wants no more", "who works here")
)  # fmt: skip
RAW_MAIL, VISITS = "objects of MailBucket", "objects of VisitorLogsBucket"
NAMES, LAUNCHES, USAGE_LOGS = "table AccountsTable", "table UsageTable", "objects of LogsBucket"


@dataclass(frozen=True)
class Canary:
    """A value that is looked for, and where it may be: nowhere, if nothing is said."""

    name: str
    value: str = field(repr=False)
    at: frozenset[str] = frozenset()


def canary(name: str, value: str, *at: str) -> Canary:
    return Canary(name, value, frozenset(at))


AGENT, ADDRESS = f"zqagent{RUN}/1.0", "203.0.113.77"
PROGRAM, ELSEWHERE = f"zqprogram{RUN}/2.0", "203.0.113.78"
PROFILE = {
    "account_name": f"Zqaccount {RUN}",
    "email": f"zqmail{RUN}@example.org",
    "password": f"zq nine slow pass {RUN}",
    "name": f"Zqname {RUN}",
    "company": f"Zqcompany {RUN}",
    "street": f"1 Zqstreet {RUN}",
    "city": f"Zqcity{RUN}",
    "postal_code": f"ZQ{RUN}"[:10],
    "phone": "+49 30 5550173829",
    "tax_id": f"ZQTAX{RUN}"[:14],
}
TOLD = {
    "account_name": (OWNER, INVITED),
    "email": (OWNER,),
}
"""What of the profile is in the mails that say it: its other fields are in none."""
TYPED = {
    "new address": (f"zqmoved{RUN}@example.org", MOVED),
    "new password": (f"zq ten slower pass {RUN}",),
    "wrong password": (f"zq no such pass {RUN}",),
    "card": (CARD["number"],),
    "card typed in a message": ("4000056655665556",),
    "computer's name": (f"Zqstudio {RUN}",),
    "invited address": (f"zqguest{RUN}@example.org", INVITED),
    "writer's address": (f"zqwriter{RUN}@example.org", WRITER),
    "writer's telephone": ("+49 30 5559283746",),
    "message": (f"Zqmessage {RUN}",),
    "sender's address": (f"zqsender{RUN}@example.org", SENDER, RAW_MAIL),
    "subject of a mail": (f"Zqsubject {RUN}", RAW_MAIL),
    "text of a mail": (f"Zqletter {RUN}", RAW_MAIL),
    "address that wants no more": (f"zqstopped{RUN}@example.org", STOPPED),
    "name of staff": (f"zqstaff-{RUN}",),
    "address of staff": (f"zqofficer{RUN}@example.org", STAFF),
    "partner": (f"Zqpartner {RUN}", NAMES),
    "browser": (AGENT, VISITS),
    "address of its network": (ADDRESS, VISITS),
    "program": (PROGRAM, VISITS),
    "address of the program's network": (ELSEWHERE, VISITS),
    "page that led here": (f"zqreferrer{RUN}",),
    "words of a query": (f"zqquery{RUN}",),
    "page that is not there": (f"zqnowhere{RUN}",),
    "version of an application": (f"9.8.7-zqversion{RUN}", LAUNCHES, USAGE_LOGS),
}
"""What people, programs and the operator say besides, and where it may be."""


def typed(name: str) -> str:
    return TYPED[name][0]


def everything(login: str, tokens: dict[str, tuple[str, ...]]) -> list[Canary]:
    """All that a story said, with the tokens that it was given: each with its places."""
    found = [canary(name, value, *TOLD.get(name, ())) for name, value in PROFILE.items()]
    found += [canary("login", login, OWNER)]
    found += [canary(name, *said) for name, said in {**TYPED, **tokens}.items()]
    return found
