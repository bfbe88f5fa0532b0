"""Suspending, lifting and revoking, and changing the seats: what vendors and staff do to a license.

A stop writes the head first, then reads the open leases strongly, then tells each: a launch is
either refused by the head or seen by that reading. A work row written with the head lets the sweep
finish what a crash left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from chalicelib.licenses import items, rules
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from chalicelib.licenses.store import LicenseStore
    from chalicelib.licenses.values import Head, View

TRIES = 8
STEP = 90  # seats taken out in one transaction, which holds at most 100 actions


class OverForGood(Conflict):
    code = "license_revoked"
    title = "This license was revoked"
    detail = "A revoked license stays revoked."


class Standing:
    def __init__(self, store: LicenseStore) -> None:
        self.store = store

    def suspend(self, license_id: str) -> Head:
        """Felt at once by launches, and by the next heartbeat of what runs; again: no change."""
        return self._stop(license_id, rules.SUSPENDED)

    def revoke(self, license_id: str) -> Head:
        """For good."""
        return self._stop(license_id, rules.REVOKED)

    def reinstate(self, license_id: str) -> Head:
        """Lifts a suspension. Leases that still run go on, with the epoch that they were told."""
        for _ in range(TRIES):
            head = self._head(license_id)
            if head.standing == rules.ACTIVE:
                return head
            if head.standing == rules.REVOKED:
                raise OverForGood
            try:
                self.store.reinstate(head)
            except ConditionFailed:
                continue
            return self._head(license_id)
        raise Unavailable

    def _head(self, license_id: str) -> Head:
        head = self.store.head(license_id)
        if head is None:
            raise NotFound
        return head

    def _stop(self, license_id: str, standing: str) -> Head:
        for _ in range(TRIES):
            head = self._head(license_id)
            if head.standing == rules.REVOKED and standing != rules.REVOKED:
                raise OverForGood
            if head.standing != standing:
                try:
                    self.store.stop(head, standing)
                except ConditionFailed:
                    continue
            head = self._head(license_id)
            self._tell(license_id, head.epoch)
            return head
        raise Unavailable

    def finish(self, license_id: str) -> None:
        """Does what a crash left of a stop: the work row that was written with the head says so."""
        work = self.store.work(license_id)
        if work:
            self._tell(license_id, max(item["epoch"] for item in work))

    def _tell(self, license_id: str, epoch: int) -> None:
        """Tells the open leases of the stop, and removes the work rows up to it.

        They are read anew, after the head was written: no launch can have come in since.
        """
        found = self.store.everything(license_id)
        for item in items.open_leases(found):
            if item["epoch"] < epoch:
                self.store.raise_epoch(license_id, item, epoch)
        for item in found:
            if item["sk"].startswith("WORK#") and item["epoch"] <= epoch:
                self.store.work_done(license_id, item["sk"])

    # the key

    def set_key_hash(self, license_id: str, key_hash: str) -> None:
        """The key before it stops working, and what it opened stops at its next heartbeat."""
        for _ in range(TRIES):
            head = self._head(license_id)
            if head.standing == rules.REVOKED:
                raise NotFound
            try:
                self.store.set_key_hash(head, key_hash)
            except ConditionFailed:
                continue
            self._tell(license_id, head.epoch + 1)
            return
        raise Unavailable

    # the end

    def end_at(self, license_id: str, ends_at: int | None) -> Head:
        """Sets when the license ends; what runs is told, so that it ends no later."""
        for _ in range(TRIES):
            head = self._head(license_id)
            if head.ends_at != ends_at:
                try:
                    self.store.end_at(head, ends_at)
                except ConditionFailed:
                    continue
            head = self._head(license_id)
            self._tell(license_id, head.epoch)
            return head
        raise Unavailable

    # seats

    def set_seats(self, license_id: str, seats: int) -> Head:
        """Adds seats at once; takes out free seats first.

        A lease in a seat that was taken out runs on, nobody takes that seat again, and it counts
        until it ends.
        """
        if not 1 <= seats <= rules.MAX_SEATS:
            raise InvalidInput(errors={"seats": f"From 1 to {rules.MAX_SEATS}."})
        for _ in range(TRIES * rules.MAX_SEATS // STEP):
            view = self.store.view(license_id)
            head = view.head
            if head is None:
                raise NotFound
            if head.slots is None:
                raise InvalidInput(errors={"seats": "This license has no seats to set."})
            if len(head.slots) == seats:
                return head
            self._resize(view, head, head.slots, seats)
        raise Unavailable

    def _resize(self, view: View, head: Head, slots: frozenset[int], seats: int) -> None:
        """One step; nothing happens where another call came in between."""
        if seats > len(slots):
            leaving: list[int] = []
            left = slots | set(rules.spare_seats(view, slots)[: seats - len(slots)])
        else:
            leaving = rules.leaving_first(view, slots)[: min(len(slots) - seats, STEP)]
            left = slots - set(leaving)
        try:
            self.store.resize(head, left, [(seat, view.slots.get(seat)) for seat in leaving])
        except ConditionFailed:
            return
