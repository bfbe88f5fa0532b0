"""Sealing one field into its place, and opening it there; what the vault alone may do.

AES-256-GCM under the data key of one subject and purpose, with the place as associated data: what
was moved, swapped or changed does not open.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from chalicelib.privacy.rules import (
    Entry,
    Event,
    Policy,
    Purpose,
    PurposeDenied,
    SealBroken,
    When,
    binding,
    family,
    key_context,
    policy_for,
    use_under,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.privacy.store import Grant

NONCE = 12
REFUSALS = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


def asked(chosen: Mapping[Purpose, bool], under: Policy) -> dict[Purpose, bool]:
    """The answers; PurposeDenied where one is to a question that this policy does not ask."""
    if chosen.keys() - set(under.granted(When.CHOICE)):
        raise PurposeDenied
    return dict(chosen)


def declared(fields: Mapping[str, str], under: Policy) -> dict[str, str]:
    """The fields that hold something; ValueError where the policy does not name one of them."""
    if unknown := {family(name) for name in fields} - under.fields():
        raise ValueError(f"the policy does not name {sorted(unknown)}")
    return {name: value for name, value in fields.items() if value}


def told(event: Event, purpose: Purpose, number: int, form: str) -> Entry:
    """The ledger's word of what is bound by that version of the policy."""
    return Entry(event, purpose, policy_for(purpose, number).id, form)


def seal_all(key: bytes, grant: Grant, fields: Mapping[str, str]) -> dict[str, bytes]:
    """Each field that the grant's purpose may see, sealed into its place."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    seen, cipher = use_under(grant.policy, grant.purpose).fields, AESGCM(key)
    sealed = {}
    for name in (name for name in fields if family(name) in seen):
        nonce = os.urandom(NONCE)
        place = binding(grant.subject, grant.purpose, grant.policy, name)
        sealed[name] = nonce + cipher.encrypt(nonce, fields[name].encode(), place)
    return sealed


def unseal(key: bytes, grant: Grant, name: str, sealed: bytes) -> str:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    place = binding(grant.subject, grant.purpose, grant.policy, name)
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], place).decode()
    except (InvalidTag, ValueError):
        raise SealBroken(f"{name} is not what was sealed here") from None


def unwrap(decrypt: Callable[..., Mapping[str, bytes]], key_id: str, grant: Grant) -> bytes:
    """The grant's data key, by the key service's `decrypt`; SealBroken for one out of its place."""
    from botocore.exceptions import ClientError

    try:
        answer = decrypt(
            KeyId=key_id,
            CiphertextBlob=grant.wrapped,
            EncryptionContext=key_context(grant.subject, grant.purpose, grant.policy),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in REFUSALS:
            raise SealBroken("a wrapped key is not in its place") from None
        raise
    return answer["Plaintext"]
