"""What becomes of cases that nobody closes: alerted in time, escalated when overdue (PS-09, PS-72).

The index nominates, the case's own row decides, and each step is one transaction with its mails:
a death in between is finished by the next run, and no step is done twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.cases.rules import CALLED, Step
from chalicelib.cases.service import day
from chalicelib.observability import count, failure
from chalicelib.staff.rules import Role
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from chalicelib.cases.rules import Case
    from chalicelib.cases.service import Cases
    from chalicelib.core.clock import Clock
    from chalicelib.staff.mail import StaffMail

MAILS = {Step.ALERT: "case_waiting", Step.ESCALATE: "case_overdue"}


class SweepIncomplete(Exception):
    """Some cases could not be looked at; the others were, and the next run tries all again."""


class CaseSweep:
    def __init__(self, cases: Cases, staff: StaffMail, clock: Clock) -> None:
        self.cases, self.staff, self.clock = cases, staff, clock

    def run(self) -> dict[str, int]:
        done = {**{str(step): 0 for step in Step}, "failed": 0}
        for case_id in self.cases.store.due(self.clock()):
            try:
                self._look(case_id, done)
            except Exception as error:  # noqa: BLE001 - one must not keep the others
                failure("case_sweep_failed", error, case=case_id)
                done["failed"] += 1
        for name, value in done.items():
            count(f"case_{name}", value)
        if done["failed"]:
            raise SweepIncomplete(f"{done['failed']} could not be looked at")
        return done

    def _look(self, case_id: str, done: dict[str, int]) -> None:
        case = self.cases.store.case(case_id)
        for step in case.steps(self.clock()) if case else []:
            case = self.cases.store.case(case_id)  # as the step before left it
            if case and step in case.steps(self.clock()):
                done[step] += self._do(case, step)

    def _do(self, case: Case, step: Step) -> bool:
        if step is Step.ACKNOWLEDGE:
            return self.cases.acknowledge(case)
        return self._tell_officers(case, step)

    def _tell_officers(self, case: Case, step: Step) -> bool:
        """False, with an alarm, where nobody sees to privacy: the next run tries again."""
        now = self.clock()
        mails = list(self.staff.to(Role.PRIVACY, MAILS[step], (case.id,), arguments(case)))
        if not mails:
            count("case_unheard")
            return False
        writes = [write for _, write in mails]
        try:
            self.cases.store.transact(self.cases.store.did(case, step, now), *writes)
        except ConditionFailed as refusal:
            if not refusal.at(0):
                raise
            return False  # another run was first, or it was closed meanwhile
        for message, _ in mails:
            self.cases.outbox.nudge(message)
        return True


def arguments(case: Case) -> dict[str, str]:
    return {
        "case": case.id, "about": CALLED[case.kind], "since": day(case.created_at),
        "due": day(case.due_at),
    }  # fmt: skip
