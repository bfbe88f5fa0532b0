"""What may be installed: a release that its vendor signed and that Cetrus signed again."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cetrus import jose
from cetrus.errors import BadRelease, Unverified
from cetrus.leases import take
from cetrus.wire import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cetrus.keys import KeyRing

PLATFORMS = ("linux", "macos", "windows")
RELEASE_TYP = "release+jwt"
STATEMENT = ("application", "version", "platform", "filename", "size", "sha256")
SHA256 = re.compile(r"[0-9a-f]{64}")
# A name that is one plain file name on every system.
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
LARGEST = 200 * 2**30


@dataclass(frozen=True, slots=True)
class Release:
    """A release whose two signatures hold; `size` in bytes, `sha256` in hex."""

    application: str
    version: str
    platform: str
    filename: str
    size: int
    sha256: str
    vendor_kid: str
    name: str
    url: str = field(repr=False)

    @property
    def label(self) -> str:
        return f"{plain(self.name)} {self.version}"


def this_platform() -> str:
    return {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")


def verify_release(body: Mapping[str, Any], ring: KeyRing, platform: str) -> Release:
    """The release described, if both signatures are over exactly this; BadRelease otherwise."""
    vendor_kid = _require_signatures(body, ring)
    if body["platform"] != platform:
        raise BadRelease(f"The release is for {body['platform']}, not for {platform}.")
    _require_plain(body)
    name = body.get("name")
    return Release(
        **{part: body[part] for part in STATEMENT},
        vendor_kid=vendor_kid,
        name=name if isinstance(name, str) else body["application"],
        url=take(body, "url", str),
    )


def _require_signatures(body: Mapping[str, Any], ring: KeyRing) -> str:
    try:
        said = {name: take(body, name, int if name == "size" else str) for name in STATEMENT}
        vendor_key = take(body, "vendor_key", dict)
        kid = jose.thumbprint(vendor_key)
        vendor = jose.verify(body.get("vendor_signature"), jwk=vendor_key, typ=RELEASE_TYP)
        cetrus = ring.verify(body.get("countersignature"), RELEASE_TYP)
    except Unverified as error:
        raise BadRelease(f"The release is not signed as it must be: {error.detail}") from error
    if _stated(vendor) != said or _stated(cetrus) != said:
        raise BadRelease("The release is signed, but for other content than is offered.")
    if cetrus.get("vendor_kid") != kid:
        raise BadRelease("The release is signed with a key that is not the vendor's.")
    return kid


def _stated(claims: Mapping[str, Any]) -> dict[str, Any]:
    return {name: claims.get(name) for name in STATEMENT}


def _require_plain(body: Mapping[str, Any]) -> None:
    names = (body["filename"], body["version"], body["application"])
    if not all(PLAIN_NAME.fullmatch(name) for name in names):
        raise BadRelease("The release has a name that is not a plain file name.")
    if not SHA256.fullmatch(body["sha256"]) or not 0 < body["size"] <= LARGEST:
        raise BadRelease("The release states a size or a checksum that cannot be.")
