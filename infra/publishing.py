"""Publishing a release: installers into their bucket, signed by the vendor and countersigned."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.catalog import rules
from chalicelib.catalog.rules import Application, Artifact
from chalicelib.core import signing
from chalicelib.core.clock import to_text
from chalicelib.core.errors import CetrusError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Json = dict[str, Any]
CONTENT_TYPES = {".gz": "application/gzip", ".zip": "application/zip"}


def publish_release(
    *, slug: str, version: str, notes: str, files: Mapping[str, Path], vendor_key: Mapping[str, str]
) -> Json:
    """Upload the installers and publish the release, signed by the vendor and countersigned."""
    application = wiring.catalog().by_slug(slug)
    vendor = wiring.vendors().vendor(application.vendor_id)
    artifacts = [
        upload(application, version, platform, path, vendor_key) for platform, path in files.items()
    ]
    release = wiring.catalog().publish(
        application, version=version, notes=notes, artifacts=artifacts, vendor_keys=vendor.keys
    )
    return {
        "id": release.id,
        "application": application.id,
        "version": release.version,
        "published_at": to_text(release.published_at),
        "artifacts": [
            {"id": a.id, "platform": a.platform, "filename": a.filename, "sha256": a.sha256}
            for a in release.artifacts
        ],
    }


def upload(
    application: Application, version: str, platform: str, path: Path, vendor_key: Mapping[str, str]
) -> Artifact:
    """Put an installer under its digest, so that a name never changes its bytes."""
    if platform not in rules.PLATFORMS or not rules.FILENAME.fullmatch(path.name):
        raise CetrusError(f"{platform}={path.name}: not a platform, or not a plain file name")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    said = rules.statement(
        application=application.id,
        version=version,
        platform=platform,
        filename=path.name,
        size=len(data),
        sha256=digest,
    )
    public = signing.public_members({n: v for n, v in vendor_key.items() if n != "d"})
    key = f"{application.id}/{version}/{digest}/{path.name}"
    kind = CONTENT_TYPES.get(path.suffix, "application/octet-stream")
    wiring.installers().write(key, data, content_type=kind)
    return Artifact(
        id=rules.artifact_id(application.id, version, platform),
        application_id=application.id,
        version=version,
        platform=platform,
        filename=path.name,
        size=len(data),
        sha256=digest,
        key=key,
        vendor_signature=sign_as_vendor(said, vendor_key, public),
        countersignature=countersign(said, public),
        vendor_key=public,
    )


def sign_as_vendor(said: Json, vendor_key: Mapping[str, str], public: signing.Jwk) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(signing.unb64(vendor_key["d"]))
    return signing.sign(said, key=key, typ=rules.RELEASE_TYP, kid=signing.thumbprint(public))


def countersign(said: Json, vendor_public: signing.Jwk) -> str:
    """Cetrus's own signature over the same facts and the vendor's key."""
    kid, key = wiring.key_ring().signer()
    claims = {**said, "vendor_kid": signing.thumbprint(vendor_public)}
    return signing.sign(claims, key=key, typ=rules.RELEASE_TYP, kid=kid)
