"""The vault: personal data goes in sealed, and comes out for a purpose that was granted (G8).

One data key a subject and purpose, wrapped by the key service under that very context; its row is
the grant. Each field is sealed once for each purpose that may see it. No data key outlives the
call that needed it, and the ledger's row always comes before the plaintext.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from chalicelib.privacy.grants import Grants
from chalicelib.privacy.rules import (
    ASKED_AT_REST,
    Entry,
    Event,
    Purpose,
    PurposeDenied,
    SealBroken,
    When,
    because,
    family,
    key_context,
    policy,
    policy_for,
    use_under,
)
from chalicelib.privacy.sealing import asked, declared, seal_all, told, unseal, unwrap
from chalicelib.privacy.sinks import Secret
from chalicelib.privacy.store import Grant, Kept
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chalicelib.core.clock import Clock
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.store import VaultStore
    from chalicelib.storage.dynamo import Write

    Account = Literal[Purpose.ACCOUNT]

P = TypeVar("P", bound=Purpose)
PROFILE = frozenset({When.REGISTRATION, When.CHOICE})


class Vault(Grants):
    """`kms` is the key service's client, `key_id` its key, `in_force` the policy's number now."""

    def __init__(
        self,
        store: VaultStore,
        ledger: Ledger,
        kms: Any,
        key_id: str,
        in_force: Callable[[], int],
        clock: Clock,
    ) -> None:
        super().__init__(store, ledger, clock)
        self.kms, self.key_id, self.in_force = kms, key_id, in_force

    def collect(
        self,
        subject: str,
        fields: Mapping[str, str],
        now: int,
        form: str,
        chosen: Mapping[Purpose, bool] | None = None,
        *,
        declined: str = "",
    ) -> list[Write]:
        """A new subject's grants, sealed fields and first ledger rows, for a transaction.

        The policy in force binds them for good. ValueError where it does not name a field. A
        purpose that is chosen is granted for a yes in `chosen`; a no is in the ledger, and no key
        for it ever is (PS-74). `declined` is the reason of each no, where it was not the form.
        """
        number = self.in_force()
        given = declared(fields, policy(number))
        answers = asked(chosen or {}, policy(number))
        purposes = [*policy(number).granted(When.REGISTRATION), *(p for p in answers if answers[p])]
        writes = [w for p in purposes for w in self._grant(subject, p, given, now, number)]
        refused = [purpose for purpose in answers if not answers[purpose]]
        entries = [told(Event.COLLECTED, purpose, number, form) for purpose in purposes]
        entries += [told(Event.DECLINED, purpose, number, declined or form) for purpose in refused]
        return [*writes, *self.ledger.begin(subject, entries, now)]

    def collect_for(
        self, subject: str, purpose: Purpose, fields: Mapping[str, str], now: int, form: str
    ) -> list[Write]:
        """The same for one purpose alone: a subject of whom nothing else is held."""
        writes, entry = self._collected(subject, purpose, fields, now, form)
        return [*writes, *self.ledger.begin(subject, [entry], now)]

    def collect_alone(
        self, subject: str, purpose: Purpose, fields: Mapping[str, str], form: str
    ) -> list[Write]:
        """The same for a subject who has a ledger, in place of what was collected; for `commit`."""
        held, now = self.store.grant(subject, purpose), self.clock()
        if held:
            entry = Entry(Event.CORRECTED, purpose, held.policy, form)
            writes = self._replace(held, declared(fields, policy(self.in_force())), now)
        else:
            writes, entry = self._collected(subject, purpose, fields, now, form)
        return [*writes, *self.ledger.append(subject, [entry], now)]

    def recollect(
        self, subject: str, fields: Mapping[str, str], now: int, form: str,
        chosen: Mapping[Purpose, bool] | None = None, *, since: int | None = None,
    ) -> list[Write]:  # fmt: skip
        """A correction: all fields anew, under the grants held and the policies they were given by.

        With `chosen`, the answers given beside the fields: a yes that is not granted yet is granted
        under the policy in force, a no withdraws; so does `since` each yes from that instant on.
        PurposeDenied where no grant is held. Another ledger row of the subject may come between:
        `commit` builds the writes again then.
        """
        head = self.ledger.head(subject)
        grants = [
            grant for grant in self.store.grants(subject)
            if use_under(grant.policy, grant.purpose).when in PROFILE
        ]  # fmt: skip
        if not grants:
            raise PurposeDenied
        number = self.in_force()
        given = declared(fields, policy(number))
        answers = asked(chosen or {}, policy(number))
        noes = {purpose for purpose in answers if not answers[purpose]}
        noes |= set() if since is None else self._said_since(subject, since)
        kept = [grant for grant in grants if grant.purpose not in noes]
        writes = [write for grant in kept for write in self._replace(grant, given, now)]
        entries = [Entry(Event.CORRECTED, g.purpose, g.policy, form) for g in kept]
        held = {grant.purpose for grant in grants}
        for purpose in (p for p in answers if answers[p] and p not in held):
            writes += self._grant(subject, purpose, given, now, number)
            entries.append(told(Event.GRANTED, purpose, number, form))
        gone = [grant for grant in grants if grant.purpose in noes]
        writes += self._ends(gone)
        entries += [Entry(Event.WITHDRAWN, g.purpose, g.policy, form) for g in gone]
        return [*writes, *self.ledger.after(head, subject, entries, now)]

    def grant(
        self, subject: str, purpose: Purpose, fields: Mapping[str, str], form: str
    ) -> list[Write]:
        """A yes of the person's own, under the policy in force; for `commit`.

        PurposeDenied for a purpose that is not one to choose. Nothing where it is granted already.
        Refused by its condition where the account's keys are on hold or gone (PS-83).
        """
        number, now = self.in_force(), self.clock()
        found = policy_for(purpose, number)
        if found.uses[purpose].when is not When.CHOICE:
            raise PurposeDenied
        if self.store.grant(subject, purpose):
            return []
        entry = Entry(Event.GRANTED, purpose, found.id, form)
        return [
            self.store.stands(subject),
            *self._grant(subject, purpose, declared(fields, found), now, number),
            *self.ledger.append(subject, [entry], now),
        ]

    def decline(self, subject: str, purpose: Purpose, form: str) -> list[Write]:
        """A no, in the ledger alone; where it is granted by now, it is withdrawn; for `commit`."""
        head = self.ledger.head(subject)
        if ended := self._withdraw(subject, purpose, form):
            return ended
        row = told(Event.DECLINED, purpose, self.in_force(), form)
        rows = self.ledger.after(head, subject, [row], self.clock())
        return [self.store.lacks(subject, purpose), *rows]

    @overload
    def open(
        self, subject: str, purpose: Account, reason: str, about: str = "",
        beside: Sequence[Write] = (),
    ) -> Secret[Account]: ...  # fmt: skip
    @overload
    def open(
        self, subject: str, purpose: P, reason: str, about: str = "", beside: Sequence[Write] = (),
    ) -> Secret[P]: ...  # fmt: skip
    def open(
        self, subject: str, purpose: Purpose, reason: str, about: str = "",
        beside: Sequence[Write] = (),
    ) -> Secret[Purpose]:  # fmt: skip
        """What the purpose may see, after the ledger says so; PurposeDenied without a grant.

        SealBroken where anything stored was changed. `reason` is one word of the program, such as
        `page:/account/setup`, and never an id: the id of what it is `about` is in the ledger by a
        reference that nobody can tell once the grant is gone. `beside` is written with the row.
        """
        fields = self._read(
            subject, lambda: self.store.grant(subject, purpose), reason, about, beside
        )
        return Secret(subject, purpose, fields)

    def open_at_rest(
        self, subject: str, reason: str, about: str = "", beside: Sequence[Write] = ()
    ) -> Secret[Account]:
        """Of a deactivated account whom to mail the link to that they asked for; the ledger first.

        PurposeDenied for any other reason, and where no key is on hold.
        """
        if f"{reason}:" not in ASKED_AT_REST:
            raise PurposeDenied
        fields = self._read(subject, lambda: self._on_hold(subject), reason, about, beside)
        return Secret(subject, Purpose.ACCOUNT, fields)

    def _on_hold(self, subject: str) -> Grant | None:
        return self.store.held_grant(subject, Purpose.ACCOUNT)

    def _read(
        self, subject: str, find: Callable[[], Grant | None], reason: str, about: str,
        beside: Sequence[Write],
    ) -> dict[str, str]:  # fmt: skip
        """After the ledger's row; once more where a correction came in between, under a new key."""
        grant = self._opening(subject, find, reason, about, beside)
        try:
            return self._opened(grant)
        except SealBroken:
            if grant == find():
                raise
        return self._opened(self._opening(subject, find, reason, about, beside))

    def _opened(self, grant: Grant | None) -> dict[str, str]:
        """What the grant's purpose may see."""
        if grant is None:
            raise PurposeDenied
        use = use_under(grant.policy, grant.purpose)
        key = self._unwrap(grant)
        sealed = self.store.sealed(grant.subject, grant.purpose)
        if sealed is None:
            raise PurposeDenied
        return {
            name: unseal(key, grant, name, sealed[name])
            for name in sealed
            if family(name) in use.fields
        }

    def note(self, subject: str, purpose: Purpose, name: str, value: str, form: str) -> list[Write]:
        """One of many fields, sealed or, where the value is empty, taken away; for `commit`.

        The first one grants an optional purpose, under the policy in force: it is the person's own
        act. ConditionFailed where another first one came before: build the writes again.
        """
        grant, now = self.store.grant(subject, purpose), self.clock()
        if grant is None:
            if not value:
                return []
            writes, entry = self._collected(subject, purpose, {name: value}, now, form)
            return [self.store.stands(subject), *writes, *self.ledger.append(subject, [entry], now)]
        declared({name: value}, policy_for(purpose, self.in_force()))
        sealed = seal_all(self._unwrap(grant), grant, {name: value}) if value else {}
        entry = Entry(Event.CORRECTED, purpose, grant.policy, form)
        return [
            self.store.holds(grant),
            self.store.put_one(grant, name, sealed.get(name), now),
            *self.ledger.append(subject, [entry], now),
        ]

    def _collected(
        self, subject: str, purpose: Purpose, fields: Mapping[str, str], now: int, form: str
    ) -> tuple[list[Write], Entry]:
        """A grant under the policy in force, and the ledger's word of it."""
        number = self.in_force()
        found = policy_for(purpose, number)
        writes = self._grant(subject, purpose, declared(fields, found), now, number)
        return writes, Entry(Event.COLLECTED, purpose, found.id, form)

    def keep_by_law(self, subject: str, kept: str, form: str) -> Kept | None:
        """What the law wants kept of a payer, sealed anew for that alone, as another subject's.

        None where nothing is left of what bills were made out to. Also what is on hold is read:
        leaving does not undo a payment. The first rows of the other ledger come with it.
        """
        grant = self._opening(subject, lambda: self._billing(subject), form)
        if grant is None:
            return None
        law = policy_for(Purpose.FISCAL, self.in_force())
        key, sealed = self._unwrap(grant), self.store.sealed(subject, Purpose.BILLING)
        fields = {
            name: unseal(key, grant, name, value)
            for name, value in (sealed or {}).items()
            if name in law.uses[Purpose.FISCAL].fields
        }
        made = self._data_key(kept, Purpose.FISCAL, law.id)
        own = Grant(kept, Purpose.FISCAL, law.id, made["CiphertextBlob"])
        begun = Entry(Event.COLLECTED, Purpose.FISCAL, law.id, form)
        rows = self.ledger.begin(kept, [begun], self.clock())
        return Kept(own, seal_all(made["Plaintext"], own, fields), rows)

    def open_kept(
        self, grant: Grant, sealed: Mapping[str, bytes], reason: str
    ) -> Secret[Literal[Purpose.FISCAL]]:
        """What was kept by law, after its ledger says so."""
        entry = Entry(Event.OPENED, Purpose.FISCAL, grant.policy, reason)
        self.ledger.record(grant.subject, entry, self.clock())
        key = self._unwrap(grant)
        opened = {name: unseal(key, grant, name, value) for name, value in sealed.items()}
        return Secret(grant.subject, Purpose.FISCAL, opened)

    def _opening(
        self, subject: str, find: Callable[[], Grant | None], reason: str, about: str = "",
        beside: Sequence[Write] = (),
    ) -> Grant | None:  # fmt: skip
        """The grant that stood in the very instant of the ledger's row; None where there is none.

        The head is read before the grant: whoever moves or ends the key meanwhile moves it.
        PurposeDenied where the key changed and no ledger knows of it.
        """
        found: list[Grant] = []

        def build() -> list[Write]:
            head, grant = self.ledger.head(subject), find()
            if grant is None:
                return [] if head == self.ledger.head(subject) else build()
            use_under(grant.policy, grant.purpose)
            found[:] = [grant]
            word = because(reason, about, grant.wrapped)
            row = Entry(Event.OPENED, grant.purpose, grant.policy, word)
            rows = self.ledger.after(head, subject, [row], self.clock())
            return [self.store.holds(grant), *rows, *beside]

        try:
            written = self.ledger.commit(build)
        except ConditionFailed as refusal:
            raise PurposeDenied from refusal
        return found[0] if written else None

    def _billing(self, subject: str) -> Grant | None:
        standing = self.store.grant(subject, Purpose.BILLING)
        return standing or self.store.held_grant(subject, Purpose.BILLING)

    def _grant(
        self, subject: str, purpose: Purpose, fields: Mapping[str, str], now: int, number: int
    ) -> list[Write]:
        found = policy_for(purpose, number).id
        made = self._data_key(subject, purpose, found)
        grant = Grant(subject, purpose, found, made["CiphertextBlob"])
        sealed = seal_all(made["Plaintext"], grant, fields)
        return [
            self.store.put_grant(grant, now),
            self.store.put_sealed(grant, sealed, now, first=True),
        ]

    def _replace(self, grant: Grant, fields: Mapping[str, str], now: int) -> list[Write]:
        """Where the person chose the purpose, under a new key: who corrects need not open it."""
        if use_under(grant.policy, grant.purpose).when is When.CHOICE:
            made = self._data_key(grant.subject, grant.purpose, grant.policy)
            renewed = Grant(grant.subject, grant.purpose, grant.policy, made["CiphertextBlob"])
            sealed = seal_all(made["Plaintext"], renewed, fields)
            held = self.store.renew_grant(grant, renewed, now)
        else:
            sealed = seal_all(self._unwrap(grant), grant, fields)
            held = self.store.holds(grant)
        return [held, self.store.put_sealed(grant, sealed, now, first=False)]

    def _data_key(self, subject: str, purpose: Purpose, policy_id: str) -> Mapping[str, bytes]:
        made: Mapping[str, bytes] = self.kms.generate_data_key(
            KeyId=self.key_id,
            KeySpec="AES_256",
            EncryptionContext=key_context(subject, purpose, policy_id),
        )
        return made

    def _unwrap(self, grant: Grant) -> bytes:
        return unwrap(self.kms.decrypt, self.key_id, grant)
