"""`make preflight`: names all that a deployment still lacks, each with what to do next.

    python -m infra.operate.preflight --stage prod --params prod.json

Looks and changes nothing. Only what a deployment itself needs stands in its way. What those who are
served need (secrets, a name in the mail service) is named as still to do: it never holds up a
release that mends it, nor the way back. Exit code 1 where anything was found, 2 where the
parameters cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.operate.check import Check, When
from infra.operate.deployment import BadParameters, read_deployment

if TYPE_CHECKING:
    from infra.operate.place import Place


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is missing: what, what is wrong with it, and what to do next."""

    name: str
    when: When
    problem: str
    then: str


def look(check: Check, place: Place) -> Finding | None:
    """Ask one check. One that cannot be asked is a finding too: silence would pass for health.

    Raises NoCredentialsError: it is one and the same for all that needs an account.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    from dns.exception import DNSException

    from infra.operate.place import NoSuchStack

    try:
        problem = check.look(place)
    except NoSuchStack:
        problem = "the stack is not there yet"
    except NoCredentialsError:
        raise
    except ClientError as error:
        problem = f"could not be looked at: {error.response['Error']['Code']}"
    except (BotoCoreError, DNSException) as error:
        problem = f"could not be looked at: {type(error).__name__}"
    if problem is None:
        return None
    return Finding(check.name, check.when, problem, _fill(check.then, place))


def _fill(text: str, place: Place) -> str:
    chosen = place.deployment
    for name in (
        "stage",
        "stack",
        "edge_stack",
        "region",
        "artifacts",
        "mail_domain",
        "host",
        "alarm_email",
    ):
        text = text.replace("{" + name + "}", str(getattr(chosen, name)))
    return text


@dataclass(frozen=True, slots=True)
class Preflight:
    """All that is missing, in the order in which it is best mended."""

    findings: tuple[Finding, ...]

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """What stands in the way of a deployment."""
        return tuple(one for one in self.findings if one.when is When.DEPLOYING)


def preflight(place: Place) -> Preflight:
    from botocore.exceptions import NoCredentialsError

    from infra.operate.checks import CHECKS

    found: list[Finding] = []
    unseen: list[str] = []
    for check in CHECKS:
        try:
            finding = look(check, place)
        except NoCredentialsError:
            unseen.append(check.name)
            continue
        if finding:
            found.append(finding)
    return Preflight((*_nobody(unseen), *found))


def _nobody(unseen: list[str]) -> tuple[Finding, ...]:
    """One finding for all that could not be looked at because nobody is signed in to AWS."""
    if not unseen:
        return ()
    problem = "no AWS credentials; what needs an account was not looked at: "
    rest = ", ".join(name for name in unseen if name != "account")
    return (
        Finding(
            "account",
            When.DEPLOYING,
            problem + rest,
            "Sign in: export AWS_PROFILE=…, aws sso login",
        ),
    )


def told(result: Preflight, place: Place) -> str:
    lines = [
        f"{'missing' if one in result.blocking else 'to do':8} {one.name}: {one.problem}\n"
        f"         {one.then}"
        for one in result.findings
    ]
    now, then = len(result.blocking), len(result.findings) - len(result.blocking)
    counted = f"{now} missing" if now else "nothing stands in the way of a deployment"
    after = f", {then} to do before anybody is served" if then else ""
    return "\n".join([*lines, f"preflight of {place.deployment.stack}: {counted}{after}"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="make preflight",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage", required=True)
    parser.add_argument("--params", required=True, type=Path)
    chosen = parser.parse_args(arguments)
    from infra.operate.place import Place

    try:
        place = Place(read_deployment(chosen.stage, chosen.params))
    except BadParameters as error:
        print(f"preflight: {error}{_how(chosen.params)}", file=sys.stderr)
        return 2
    result = preflight(place)
    print(told(result, place))
    return 1 if result.findings else 0


def _how(file: Path) -> str:
    return "" if file.exists() else f" Write {file.name} as in docs/first-deploy.md, line 6."


if __name__ == "__main__":
    sys.exit(main())
