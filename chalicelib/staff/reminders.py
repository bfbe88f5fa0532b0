"""The reminder of each quarter: why privacy matters, and what a role can do (PS-53, PS-55).

Due on the first day of January, April, July and October, in UTC. It is the quarter's one mail to
each member, so that a run that was missed is made up for by the next, and who comes later in the
quarter is reminded when they come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.clock import to_datetime
from chalicelib.observability import count
from chalicelib.staff.rules import Role

if TYPE_CHECKING:
    from chalicelib.core.clock import Clock
    from chalicelib.mail.rules import Argument
    from chalicelib.staff.mail import StaffMail
    from chalicelib.staff.rules import Member

ORDINALS = ("first", "second", "third", "fourth")
EVERYBODY = [
    "Open no more data of people than the work in front of you needs, and say in the case why.",
    "Keep your password and your session to yourself, and sign out when you leave the desk.",
    "Copy nothing about people into mails, chats, tickets or files of your own.",
    "Use no data for anything that the policy does not name.",
    "Tell at once when something was lost, sent to the wrong person or seen by a stranger.",
]
DUTIES = {
    Role.OPERATOR: [
        "Operator: take every secret from the parameter store, and never put one into a file.",
        "Operator: restore into new tables alone, and never bring back a key that was erased.",
        "Operator: end who leaves on their last day, and look at the roles that remain.",
    ],
    Role.BILLING: [
        "Billing: look at a payment by its number, and open a name only where a bill needs it.",
        "Billing: never ask anybody for a card number; only the processor does.",
    ],
    Role.SERVICE: [
        "Service: be sure whom you speak to before you say anything about an account.",
        "Service: call or write about the case alone, and close it when it is answered.",
    ],
    Role.PRIVACY: [
        "Privacy: answer each case before it is due; a request about data within thirty days.",
        "Privacy: publish a version of the policy before data is used for anything new.",
        "Privacy: read the ledger for what nobody can explain.",
    ],
}


class Reminders:
    def __init__(self, staff: StaffMail, clock: Clock) -> None:
        self.staff, self.clock = staff, clock

    def run(self) -> dict[str, int]:
        """Remind whoever was not in this quarter; how many that were."""
        year, number = quarter_of(self.clock())
        called = f"{ORDINALS[number - 1]} quarter of {year}"
        told = self.staff.tell(
            "staff_quarter", (year, number), lambda member: arguments(called, member)
        )
        count("staff_reminded", told)
        return {"reminded": told}


def quarter_of(instant: int) -> tuple[int, int]:
    """Year, and 1 to 4, in UTC."""
    moment = to_datetime(instant)
    return moment.year, (moment.month + 2) // 3


def arguments(quarter: str, member: Member) -> dict[str, Argument]:
    """The duties of everybody, then those of each role that the member has."""
    duties = [duty for role in Role if role in member.roles for duty in DUTIES[role]]
    return {"quarter": quarter, "everybody": EVERYBODY, "duties": duties}
