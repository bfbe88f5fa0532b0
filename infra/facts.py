"""Facts of the templates that the page on security states; packaged as they are at that moment.

python -m infra.facts      writes chalicelib/privacy/facts.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.fragments import laid_over, read_fragment

ROOT = Path(__file__).resolve().parent.parent
OUT = Path("chalicelib/privacy/facts.json")
TEMPLATES = ("infra/resources.yaml", "infra/edge.yaml")
Facts = dict[str, str | int]


def read_facts(root: Path = ROOT) -> Facts:
    """From the templates of this tree."""
    merged: dict[str, Any] = {}
    for name in TEMPLATES:
        merged = laid_over(merged, read_fragment(root / name))
    return facts_of(merged)


def facts_of(template: dict[str, Any]) -> Facts:
    """KeyError where the template no longer says what the page states of it."""
    made = {name: it.get("Properties", {}) for name, it in template["Resources"].items()}
    door = made["Distribution"]["DistributionConfig"]
    headers = made["SecurityHeaders"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    raw = made["VisitorLogsBucket"]["LifecycleConfiguration"]["Rules"][0]
    origin = door["Origins"][0]["CustomOriginConfig"]
    return {
        "tls": version_of(door["ViewerCertificate"]["MinimumProtocolVersion"]),
        "tls_inside": version_of(min(origin["OriginSSLProtocols"])),
        "hsts_days": headers["StrictTransportSecurity"]["AccessControlMaxAgeSec"] // 86_400,
        "turned_keys": turned(template["Resources"]),
        "restored_tables": sum(map(restored, made.values())),
        "kept_tables": sum(bool(it.get("DeletionProtectionEnabled")) for it in made.values()),
        "raw_days": raw["ExpirationInDays"],
        "lock": made["HeadsBucket"]["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Mode"],
        "lock_days": max(template["Parameters"]["HeadsLockedDays"]["AllowedValues"]),
    }


def version_of(protocol: str) -> str:
    """`1.2` of `TLSv1.2_2021`."""
    return protocol.removeprefix("TLSv").partition("_")[0]


def turned(resources: dict[str, Any]) -> int:
    """How many keys the key service turns over by itself; -1 where one is left out that could be.

    A key that signs is not turned over: what it signed is checked by it for years.
    """
    keys = [it["Properties"] for it in resources.values() if it.get("Type") == "AWS::KMS::Key"]
    sealing = [key for key in keys if key.get("KeyUsage") != "SIGN_VERIFY"]
    return len(sealing) if all(key.get("EnableKeyRotation") for key in sealing) else -1


def restored(table: dict[str, Any]) -> bool:
    backup = table.get("PointInTimeRecoverySpecification", {})
    return bool(backup.get("PointInTimeRecoveryEnabled"))


def write_facts(facts: Facts, root: Path) -> None:
    (root / OUT).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    write_facts(read_facts(), ROOT)
