"""Scans the templates as others would: checkov, cloudsplaining and parliament.

    python -m infra.tools.scan      exits 0 only where every finding is explained

An explanation (scanners/explained.toml) names a check, what it is about, and why it stays. One that
explains nothing any more is an error too, so that the list never outlives its reasons.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.template import Resolver
from infra.operate.edge import write_edge
from infra.package import ROOT, package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SCANNERS = Path(__file__).with_name("scanners")
LOCK = SCANNERS / "requirements.txt"
CHECKOV = ("-m", "checkov.main", "--framework", "cloudformation", "--compact", "--quiet",
           "--skip-download", "--output", "json")  # fmt: skip
PARAMETERS = {
    "BaseUrl": "https://cetrus.example",
    "MailDomain": "cetrus.example",
    "AlarmEmail": "alarms@cetrus.example",
}


class ScanFailed(Exception):
    """A scanner did not run; the text is what it said."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    scanner: str
    check: str
    about: str
    detail: str

    def __str__(self) -> str:
        return f"{self.scanner} {self.check} {self.about}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`about` are patterns of resources or roles; `detail` must stand in the finding's."""

    check: str
    about: tuple[str, ...]
    why: str
    detail: str = ""

    def explains(self, finding: Finding) -> bool:
        return (
            self.check == finding.check
            and self.detail in finding.detail
            and any(fnmatchcase(finding.about, pattern) for pattern in self.about)
        )


def explanations(file: Path = SCANNERS / "explained.toml") -> list[Explanation]:
    entries = tomllib.loads(file.read_text())["explained"]
    return [Explanation(**{**entry, "about": tuple(entry["about"])}) for entry in entries]


def judged(
    findings: Sequence[Finding], known: Sequence[Explanation]
) -> tuple[list[Finding], list[Explanation]]:
    """The findings that nobody explained, and the explanations of nothing."""
    unexplained = [f for f in findings if not any(e.explains(f) for e in known)]
    stale = [e for e in known if not any(e.explains(f) for f in findings)]
    return sorted(unexplained), stale


def environment() -> Path:
    """The scanners' own Python, made once for each lock file."""
    key = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = ROOT / ".tools" / f"scanners-{key}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        for command in installing(folder, python):
            run(command)
        (folder / "ready").touch()
    return python


def installing(folder: Path, python: Path) -> Iterator[list[str]]:
    """By uv where it is at hand, else by pip."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".tools" / "uv" / "bin"))
    if uv:
        yield [uv, "venv", "--quiet", "--python", sys.executable, str(folder)]
        yield [uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes",
               "--requirement", str(LOCK)]  # fmt: skip
        return
    yield [sys.executable, "-m", "venv", str(folder)]
    yield [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
           "--require-hashes", "--requirement", str(LOCK)]  # fmt: skip


def run(command: Sequence[str], text: str = "", allowed: Sequence[int] = (0,)) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        raise ScanFailed(f"{' '.join(command)}\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def by_checkov(python: Path, template: Path) -> list[Finding]:
    said = json.loads(run([str(python), *CHECKOV, "--file", str(template)], allowed=(0, 1)))
    reports = said if isinstance(said, list) else [said]
    if any(report["summary"]["parsing_errors"] for report in reports):
        raise ScanFailed(f"checkov cannot read {template}")
    return [
        Finding("checkov", entry["check_id"], logical_id(entry["resource"]), entry["check_name"])
        for report in reports
        for entry in report["results"]["failed_checks"]
    ]  # fmt: skip


def logical_id(resource: str) -> str:
    """`MailQueue` of checkov's `AWS::SQS::Queue.MailQueue`."""
    return resource.split(".", 1)[1]


def by_policy_scanners(python: Path, template: Mapping[str, Any]) -> list[Finding]:
    policies = json.dumps(dict(role_policies(template)))
    said = json.loads(run([str(python), str(SCANNERS / "policies.py")], policies))
    return [Finding(*entry) for entry in said]


def role_policies(template: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each role's policy, with every reference worked out."""
    resolver = Resolver(dict(template), PARAMETERS, lambda name, _: arn(template, name))
    resolver.physical.update({name: name.lower() for name in template["Resources"]})
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            for policy in resource["Properties"].get("Policies", []):
                yield name, resolver.resolve(policy["PolicyDocument"])


def arn(template: Mapping[str, Any], name: str) -> str:
    """An ARN of the resource's own form: scanners judge by it whether an action fits."""
    service, kind = template["Resources"][name]["Type"].split("::")[1:]
    place = "eu-west-1:123456789012"
    forms = {
        "Table": f"{place}:table/{name}",
        "Queue": f"{place}:{name}",
        "Key": f"{place}:key/12345678-1234-1234-1234-123456789012",
        "Bucket": f"::{name.lower()}",
        "Function": f"{place}:function:{name}",
        "Topic": f"{place}:{name}",
    }
    return f"arn:aws:{service.lower()}:{forms[kind]}"


def scan(out: Path) -> list[Finding]:
    python = environment()
    made = package("prod", out)
    template = json.loads(made.cfn.read_text())
    return [
        *by_checkov(python, made.cfn),
        *by_policy_scanners(python, template),
        *by_checkov(python, write_edge(out)),
    ]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="cetrus-scan-") as out:
        findings = scan(Path(out))
    unexplained, stale = judged(findings, explanations())
    for finding in unexplained:
        print(f"not explained  {finding}")
    for explanation in stale:
        print(f"explains nothing  {explanation.check} {', '.join(explanation.about)}")
    print(f"{len(findings)} findings, {len(unexplained)} of them not explained")
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main())
