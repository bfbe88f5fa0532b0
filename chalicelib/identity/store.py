"""What signs computers in, in `usage`: every key and condition of the feature.

| item | pk | sk |
|---|---|---|
| device code | DEVICE#<keyed hash> | DEVICE |
| user code | CODE#<keyed hash> | CODE |
| sign-in of a computer | FAMILY#<id> | FAMILY |
| refresh token, current or used | REFRESH#<keyed hash> | REFRESH |
| wrong codes of an account | RATE#device#<account>#<window> | RATE |

All end by themselves: each has an end that is checked, and `purge_at` for the broom.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, purge_at
from chalicelib.identity.rules import CURRENT, DEAD, LIVE, PENDING, USED, Device, Family
from chalicelib.storage.dynamo import ABSENT, ConditionFailed

if TYPE_CHECKING:
    from chalicelib.storage.dynamo import Item, Table, Write


class IdentityStore:
    def __init__(self, usage: Table) -> None:
        self.usage = usage

    # devices

    def add_device(self, device: Device, code_hash: str, now: int) -> bool:
        """False where the user code is in use just now."""
        ends = {"expires_at": device.expires_at, "purge_at": purge_at(device.expires_at + DAY)}
        item = {"pk": f"DEVICE#{device.hash}", "sk": "DEVICE", "type": "device", "v": 1}
        code = {"pk": f"CODE#{code_hash}", "sk": "CODE", "type": "user_code", "v": 1}
        try:
            self.usage.transact(
                self.usage.put({**item, **facts_of(device), **ends}, ABSENT),
                self.usage.put(
                    {**code, "device": device.hash, **ends},
                    f"{ABSENT} OR expires_at <= :now", {":now": now},
                ),
            )  # fmt: skip
        except ConditionFailed:
            return False
        return True

    def device(self, device_hash: str) -> Device | None:
        item = self.usage.get(f"DEVICE#{device_hash}", "DEVICE")
        return read_device(item) if item else None

    def device_of_code(self, code_hash: str) -> Device | None:
        item = self.usage.get(f"CODE#{code_hash}", "CODE")
        return self.device(item["device"]) if item else None

    def polled(self, device: Device, now: int, interval_s: int) -> None:
        """Remembers when; where another poll came in between, that one is remembered."""
        try:
            self.usage.apply(
                self.usage.update(
                    f"DEVICE#{device.hash}", "DEVICE",
                    "SET polled_at = :now, interval_s = :interval",
                    {":now": now, ":interval": interval_s, ":pending": PENDING},
                    condition="device_state = :pending",
                )
            )  # fmt: skip
        except ConditionFailed:
            return  # decided meanwhile: the next poll is told

    def decide(self, device: Device, state: str, account: str, epoch: int, now: int) -> None:
        """ConditionFailed where it was decided before, or the code has expired."""
        self.usage.apply(
            self.usage.update(
                f"DEVICE#{device.hash}", "DEVICE",
                "SET device_state = :to, account = :account, epoch = :epoch",
                {
                    ":to": state, ":account": account, ":epoch": epoch, ":pending": PENDING,
                    ":now": now,
                },
                condition="device_state = :pending AND expires_at > :now",
            )
        )  # fmt: skip

    # sign-ins

    def begin(self, device: Device, family: Family, token_hash: str) -> None:
        """The code is used up, and the first refresh token stands; ConditionFailed if it was."""
        used = self.usage.update(
            f"DEVICE#{device.hash}", "DEVICE", "SET device_state = :used",
            {":used": USED, ":was": device.state}, condition="device_state = :was",
        )  # fmt: skip
        item = {"pk": f"FAMILY#{family.id}", "sk": "FAMILY", "type": "sign_in", "v": 1}
        ends = {"purge_at": purge_at(family.ends_at + DAY)}
        started = self.usage.put({**item, **family_facts(family), **ends}, ABSENT)
        self.usage.transact(used, started, self._refresh(family, token_hash))

    def rotate(self, family: Family, old_hash: str, token_hash: str, now: int) -> None:
        """Only the current token of a live sign-in has a successor; ConditionFailed otherwise."""
        values = {":ends": family.ends_at, ":purge": purge_at(family.ends_at + DAY), ":live": LIVE}
        self.usage.transact(
            self.usage.update(
                f"REFRESH#{old_hash}", "REFRESH", "SET token_state = :used",
                {":used": USED, ":current": CURRENT, ":now": now},
                condition="token_state = :current AND ends_at > :now",
            ),
            self.usage.update(
                f"FAMILY#{family.id}", "FAMILY", "SET ends_at = :ends, purge_at = :purge", values,
                condition="family_state = :live",
            ),
            self._refresh(family, token_hash),
        )  # fmt: skip

    def _refresh(self, family: Family, token_hash: str) -> Write:
        item = {
            "pk": f"REFRESH#{token_hash}", "sk": "REFRESH", "type": "refresh_token", "v": 1,
            "family": family.id, "token_state": CURRENT, "ends_at": family.ends_at,
            "purge_at": purge_at(family.ends_at + DAY),
        }  # fmt: skip
        return self.usage.put(item, ABSENT)

    def refresh_token(self, token_hash: str) -> Item | None:
        return self.usage.get(f"REFRESH#{token_hash}", "REFRESH")

    def family(self, family_id: str) -> Family | None:
        item = self.usage.get(f"FAMILY#{family_id}", "FAMILY")
        return read_family(item) if item else None

    def kill(self, family_id: str) -> None:
        """No token of this sign-in works any more."""
        try:
            self.usage.apply(
                self.usage.update(
                    f"FAMILY#{family_id}", "FAMILY", "SET family_state = :dead",
                    {":dead": DEAD, ":live": LIVE}, condition="family_state = :live",
                )
            )  # fmt: skip
        except ConditionFailed:
            return  # dead already

    # attempts

    def take_attempt(self, account: str, window: int, limit: int, until: int) -> bool:
        """False once the account has used up this window."""
        try:
            self.usage.apply(
                self.usage.update(
                    f"RATE#device#{account}#{window}", "RATE",
                    "SET #type = :type, v = :v, purge_at = :purge ADD n :one",
                    {
                        ":type": "rate", ":v": 1, ":one": 1, ":limit": limit,
                        ":purge": purge_at(until + DAY),
                    },
                    condition="attribute_not_exists(n) OR n < :limit", names={"#type": "type"},
                )
            )  # fmt: skip
        except ConditionFailed:
            return False
        return True


def facts_of(device: Device) -> Item:
    facts = asdict(device)
    return {"device_state": facts.pop("state"), **facts}


def read_device(item: Item) -> Device:
    facts: Item = {n: item.get(n) for n in Device.__slots__ if n != "state"}
    return Device(state=item["device_state"], **facts)


def family_facts(family: Family) -> Item:
    facts = asdict(family)
    return {"family_state": facts.pop("state"), **facts}


def read_family(item: Item) -> Family:
    facts = {n: item[n] for n in Family.__slots__ if n != "state"}
    return Family(state=item["family_state"], **facts)
