"""What differs between two versions of the policy: in plain words, and for one person.

A *use* is a field, for a purpose, seen by a recipient. A person is told of a new version where it
holds a use of something that they have given which no version that they know of names (PS-80). What
they gave stays under the versions that they gave it by, whatever becomes of the policy (PS-82).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.privacy import policies
from chalicelib.privacy.rules import Policy, Purpose, When, known_policies

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from chalicelib.privacy.rules import Use

    FieldUse = tuple[str, Purpose, str]

BEGINS = {
    When.REGISTRATION: "It begins with a new account. What you gave before is not used for it.",
    When.CHOICE: "You are asked first. Without your yes nothing is used for it.",
    When.ACT: "It begins only when you do something yourself that asks for it.",
    When.LAW: "It begins with a payment, because the law wants it.",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One purpose that a version adds, says otherwise, or ends, in sentences."""

    purpose: Purpose
    title: str
    sentences: tuple[str, ...]

    @property
    def line(self) -> str:
        return f"{self.title} {' '.join(self.sentences)}"


def differences(before: Policy, after: Policy) -> list[Difference]:
    """Every purpose that is not word for word what it was."""
    found = []
    for purpose in (*after.uses, *(before.uses.keys() - after.uses.keys())):
        old, new = before.uses.get(purpose), after.uses.get(purpose)
        if new is None and old:
            found.append(Difference(purpose, f"No longer: {old.says}", ()))
        elif new and old is None:
            found.append(Difference(purpose, f"New: {new.says}", tuple(added(new))))
        elif new and old and new != old:
            found.append(Difference(purpose, f"Changed: {new.says}", tuple(changed(old, new))))
    return found


def added(use: Use) -> Iterable[str]:
    yield f"It uses {spoken(use.fields, policies.FIELDS)}."
    yield f"It is seen by {spoken(use.recipients, policies.RECIPIENTS)}."
    yield BEGINS[use.when]
    yield f"Kept: {lower(use.kept)}"


def changed(old: Use, new: Use) -> Iterable[str]:
    if old.says != new.says:
        yield f"It said until now: {old.says}"
    if more := new.fields - old.fields:
        yield f"It now also uses {spoken(more, policies.FIELDS)}."
    if less := old.fields - new.fields:
        yield f"It no longer uses {spoken(less, policies.FIELDS)}."
    if more := new.recipients - old.recipients:
        yield f"It is now also seen by {spoken(more, policies.RECIPIENTS)}."
    if less := old.recipients - new.recipients:
        yield f"It is no longer seen by {spoken(less, policies.RECIPIENTS)}."
    if old.when is not new.when:
        yield BEGINS[new.when]
    if old.kept != new.kept:
        yield f"Kept: {lower(new.kept)}"
    yield "What you gave before stays under the words that you gave it by."


def spoken(names: Collection[str], words: Mapping[str, str]) -> str:
    """`the address that mail is sent to; the name of the person`, in the order of the registry."""
    return "; ".join(lower(words[name]).rstrip(".") for name in words if name in names)


def lower(sentence: str) -> str:
    return sentence if sentence.startswith("Cetrus") else sentence[0].lower() + sentence[1:]


def uses(policy: Policy) -> frozenset[FieldUse]:
    return frozenset(
        (field, purpose, recipient)
        for purpose, use in policy.uses.items()
        for field in use.fields
        for recipient in use.recipients
    )


def new_uses(
    held: Mapping[Purpose, str], known: Iterable[int], after: Policy
) -> frozenset[FieldUse]:
    """Uses in `after` of fields that the person gave, which no version that they know names.

    `held` is the version each grant is under; who was asked under a version knows all of it.
    `known` are further versions that they registered under or were told of.
    """
    versions = known_policies()
    under = [versions[policy_id] for policy_id in held.values()]
    given = {field for purpose, p in held.items() for field in versions[p].uses[purpose].fields}
    told = [*under, *(p for p in versions.values() if p.number in set(known))]
    seen = frozenset[tuple[str, Purpose, str]]().union(*map(uses, told))
    return frozenset(use for use in uses(after) - seen if use[0] in given)


def told(found: frozenset[FieldUse], held: Mapping[Purpose, str], after: Policy) -> list[str]:
    """The differences that these uses are about, as a mail says them, a line each.

    Against the newest version that the person has a grant under: what a mail calls new is new.
    """
    versions = known_policies()
    newest = max((versions[policy_id] for policy_id in held.values()), key=lambda p: p.number)
    purposes = {purpose for _, purpose, _ in found}
    return [one.line for one in differences(newest, after) if one.purpose in purposes]
