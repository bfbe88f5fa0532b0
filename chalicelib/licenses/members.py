"""The people of a license: colleagues whom its owner invites, and what each of them may do.

    pending --link in the mail, signed in--> accepted --removed, or left--> over
       +---- withdrawn, or seven days later ------------------------------->

A *user* launches, and is one of the head's people; *billing* sees what was used and paid. Inviting
never looks an address up, so the owner learns nothing but whether the invitation was accepted. The
address is sealed under keys of its own, which end with the invitation or the membership.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chalicelib.accounts.fields import email_identity
from chalicelib.accounts.rules import LinkEnded, LinkKind
from chalicelib.catalog.rules import TRIAL
from chalicelib.core.clock import DAY, SECOND
from chalicelib.core.errors import Conflict, InvalidInput, NotFound, TooMany, Unavailable
from chalicelib.core.ids import derived_id
from chalicelib.licenses import rules
from chalicelib.licenses.member_store import (
    ACCEPTED,
    BILLING,
    BOTH,
    OVER,
    PENDING,
    USER,
    Invitation,
    Membership,
)
from chalicelib.licenses.verdicts import Code
from chalicelib.privacy.rules import Purpose, PurposeDenied
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from chalicelib.accounts.attempts import Attempts
    from chalicelib.accounts.guests import Guests
    from chalicelib.accounts.links import Links
    from chalicelib.accounts.service import Accounts
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.licenses.member_store import MemberStore
    from chalicelib.licenses.service import Licenses, Ownership
    from chalicelib.mail.outbox import Outbox
    from chalicelib.storage.dynamo import Write

ROLES = {
    USER: "Launch it",
    BILLING: "See usage and receipts",
    BOTH: "Launch it, see usage and receipts",
}
INVITATION_LIFE = 7 * DAY
INVITATIONS_A_DAY = 20  # by one account
INVITED_A_DAY = 3  # to one address, by anybody
TRIES = 8
FORM = "page:/account/licenses/people"


class LicenseOver(Conflict):
    code = "license_over"
    title = "This license has ended"
    detail = "Nobody can be invited to a license that has ended."


class TrialIsForOne(Conflict):
    """Else one trial would do for a whole company, again and again."""

    code = "trial_is_for_one"
    title = "A trial is for one person"
    detail = "Only the account that ordered a trial may launch it. Others can order their own."


class NoPlaceLeft(Conflict):
    code = "no_place_left"
    title = "No place is left"
    detail = "A license has at most 200 members and open invitations. Remove somebody first."


class MemberAlready(Conflict):
    code = "member_already"
    title = "You are among its people already"
    detail = "This account owns the license, or is a member of it already."


class TooManyInvitations(TooMany):
    code = "too_many_invitations"
    detail = "There were too many invitations for one day. Try again tomorrow."

    def __init__(self) -> None:
        super().__init__(DAY // SECOND)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the list that the owner sees."""

    invitation: str
    address: str
    role: str
    accepted: bool
    since: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class Members:
    store: MemberStore
    licenses: Licenses
    accounts: Accounts
    guests: Guests
    outbox: Outbox
    links: Links
    attempts: Attempts
    keyed: KeyedHash
    clock: Clock

    # the owner

    def invite(self, owner: str, license_id: str, email: str, role: str) -> None:
        """Mail an invitation; by the same calls whoever has the address, or nobody.

        NotFound where the license is not the owner's, InvalidInput where the address is the owner's
        or on the list already, TooManyInvitations, NoPlaceLeft, LicenseOver and TrialIsForOne.
        """
        owned, now = self.licenses.owned(owner, license_id), self.clock()
        self._require_open(license_id, role, now)
        claim = self.keyed.of("email", email_identity(email))
        name = derived_id("inv", license_id, claim)
        before = self.store.invitation(license_id, name)
        account = self.accounts.account(owner)
        if account is None or account.email_claim == claim:
            raise InvalidInput(errors={"email": "This is your own address."})
        if before and (before.state == ACCEPTED or before.waits(now)):
            raise InvalidInput(errors={"email": "This address is on the list already."})
        if before and before.state == PENDING:  # its time is over, and no sweep has come by yet
            lapse(self.store, before, now)
        self._write(owned, account.subject, name, claim, email, role, now)

    def _require_open(self, license_id: str, role: str, now: int) -> None:
        head = self.licenses.head(license_id)
        over = {Code.REVOKED, Code.EXPIRED}
        if head is None or over & set(rules.right_barred(head, now)):
            raise LicenseOver
        if head.terms.kind == TRIAL and runs(role):
            raise TrialIsForOne

    def roles(self, license_id: str) -> dict[str, str]:
        """What may be offered to people of this license; of a trial nobody else launches."""
        head = self.licenses.head(license_id)
        trial = head is not None and head.terms.kind == TRIAL
        return {role: text for role, text in ROLES.items() if not (trial and runs(role))}

    def _write(
        self, owned: Ownership, owner: str, name: str, claim: str, email: str, role: str, now: int
    ) -> None:  # fmt: skip
        ends_at = now + INVITATION_LIFE
        inviter = self.guests.opened(owner, Purpose.ACCOUNT, FORM)["account_name"]
        subject, guest = self.guests.receive(
            Purpose.INVITATION, {"email": email, "invited_by": inviter}, ends_at, FORM,
            about={"license": owned.license, "invitation": name},
        )  # fmt: skip
        invitation = Invitation(
            name, owned.license, owned.account, owned.application, owned.application_name,
            owned.vendor, owned.plan, owned.plan_name, role, subject, claim, now, ends_at,
        )  # fmt: skip
        message, letter = self.outbox.message(
            "invitation", fact=(subject,), account=subject, due=now, now=now, not_after=ends_at,
            arguments={"application": owned.application_name, "role": role},
        )  # fmt: skip
        try:
            self.store.transact(
                self.attempts.daily("invites", owned.account, INVITATIONS_A_DAY, now),
                self.attempts.daily("invited", claim, INVITED_A_DAY, now),
                self.store.take_place(owned.license),
                self.store.put_invitation(invitation),
                letter,
                self.links.make(message, LinkKind.INVITATION, subject, now, life=INVITATION_LIFE),
                *guest,
            )
        except ConditionFailed as refusal:
            if refusal.failed & {0, 1}:
                raise TooManyInvitations from refusal
            if refusal.at(2):
                raise NoPlaceLeft from refusal
            return  # the same invitation, sent twice at once
        self.outbox.nudge(message)

    def listed(self, owner: str, license_id: str, page: int, size: int) -> tuple[list[Entry], int]:
        """A page of the people, members first, and how many there are; opens their addresses."""
        self.licenses.owned(owner, license_id)
        now = self.clock()
        found = [
            each for each in self.store.invitations(license_id)
            if each.state == ACCEPTED or each.waits(now)
        ]  # fmt: skip
        found.sort(key=lambda each: (each.state == PENDING, each.created_at, each.id))
        shown = found[(page - 1) * size : page * size]
        return [self._entry(each) for each in shown], len(found)

    def _entry(self, each: Invitation) -> Entry:
        try:
            address = self.guests.opened(each.subject, Purpose.INVITATION, FORM)["email"]
        except PurposeDenied:
            address = ""
        accepted = each.state == ACCEPTED
        return Entry(each.id, address, each.role, accepted, each.created_at, each.ends_at)

    def end(self, owner: str, license_id: str, invitation_id: str) -> None:
        """Withdraw the invitation, or remove the member; again: no change. NotFound as ever."""
        self.licenses.owned(owner, license_id)
        found = self.store.invitation(license_id, invitation_id)
        if found is None:
            raise NotFound
        self._end(found)

    # whoever was invited

    def invitation(self, token: str) -> Invitation:
        """What the link invites to; LinkEnded where it no longer works. Changes nothing."""
        now = self.clock()
        link = self.links.read(token, LinkKind.INVITATION, now)
        guest = self.guests.store.guest(link.target)
        found = self.store.invitation(guest["license"], guest["invitation"]) if guest else None
        if found is None or found.subject != link.target or not found.waits(now):
            raise LinkEnded
        return found

    def invited_by(self, invitation: Invitation) -> str:
        """The account name of who invites, for whoever holds the link."""
        return self.guests.opened(invitation.subject, Purpose.INVITATION, FORM)["invited_by"]

    def accept(self, token: str, account_id: str) -> str:
        """The account is one of the license's people from now on; answers the license.

        LinkEnded, MemberAlready, LicenseOver, TrialIsForOne, or NotConfirmed.
        """
        now, found = self.clock(), self.invitation(token)
        if found.owner == account_id or self.store.membership(account_id, found.license):
            raise MemberAlready
        self._require_open(found.license, found.role, now)
        joined = Membership(
            found.license, found.owner, found.application, found.application_name, found.vendor,
            found.plan, found.plan_name, found.role, found.id, now,
        )  # fmt: skip
        writes = [
            self.accounts.confirmed_check(account_id),
            self.links.use(token, LinkKind.INVITATION, now),
            self.store.accept(found, account_id, now),
            self.store.put_membership(account_id, joined),
            self.guests.stay(found.subject),
        ]
        if runs(found.role):
            person = self.licenses.person(account_id, found.application)
            writes.append(self.store.add_person(found.license, person))
        self._accept(writes)
        return found.license

    def _accept(self, writes: list[Write]) -> None:
        try:
            self.store.transact(*writes)
        except ConditionFailed as refusal:
            if refusal.at(0):
                raise self.accounts.not_confirmed() from refusal
            if refusal.failed & {1, 2, 4}:
                raise LinkEnded from refusal
            raise (MemberAlready if refusal.at(3) else LicenseOver) from refusal

    # members

    def membership(self, account_id: str, license_id: str) -> Membership:
        """NotFound where the account is no member of it, whether or not there is one."""
        found = self.store.membership(account_id, license_id)
        if found is None:
            raise NotFound
        return found

    def of_account(self, account_id: str) -> list[Membership]:
        return sorted(self.store.memberships(account_id), key=lambda each: each.joined_at)

    def leave(self, account_id: str, license_id: str) -> None:
        joined = self.membership(account_id, license_id)
        found = self.store.invitation(license_id, joined.invitation)
        if found is None or found.member != account_id:
            raise NotFound
        self._end(found)

    # ends

    def _end(self, found: Invitation) -> None:
        """A member's launches are refused at once; what runs stops at its next heartbeat."""
        for _ in range(TRIES):
            if found.state == OVER or self._ended(found):
                break
            found = self.store.invitation(found.license, found.id) or replace(found, state=OVER)
        else:
            raise Unavailable
        if found.member and runs(found.role):
            self.licenses.standing.finish(found.license)

    def _ended(self, found: Invitation) -> bool:
        """False where something of it has moved since it was read."""
        try:
            self.store.transact(*self._ending(found))
        except ConditionFailed:
            return False
        return True

    def _ending(self, found: Invitation) -> list[Write]:
        now, license_id = self.clock(), found.license
        writes = [
            self.store.end_invitation(found, now),
            self.store.free_place(license_id),
            self.guests.leave(found.subject),
        ]
        if found.member:
            writes.append(self.store.end_membership(found.member, license_id, now))
            head = self.licenses.head(license_id)
            person = self.licenses.person(found.member, found.application)
            if head and person in head.people:
                writes += self.store.remove_person(head, person)
        return writes


@dataclass(frozen=True, slots=True)
class Lapsing:
    """What the sweep does about invitations: it reads no secret, so it is no part of Members."""

    store: MemberStore
    clock: Clock

    def lapse(self, license_id: str, invitation_id: str, subject: str) -> None:
        """The invitation that nobody took up in seven days is over, and its place is free."""
        found = self.store.invitation(license_id, invitation_id)
        if found is None or found.subject != subject or found.state != PENDING:
            return
        lapse(self.store, found, self.clock())


def lapse(store: MemberStore, found: Invitation, now: int) -> None:
    """The invitation is over, and its place is free, unless it has moved since it was read."""
    try:
        store.transact(store.end_invitation(found, now), store.free_place(found.license))
    except ConditionFailed as refusal:
        if not refusal.at(0):
            raise


def runs(role: str) -> bool:
    return role in {USER, BOTH}
