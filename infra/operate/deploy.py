"""`make deploy`: looks before, packages, shows what would change, carries it out, front door last.

    python -m infra.operate.deploy --stage prod --params prod.json [--yes] [--release NAME]

With `--release` an earlier release is put back instead, front door and all: its templates are kept
beside its code, so that nothing is packaged anew. Exit code 1 where something stands in the way, 2
where the parameters cannot be used. Nothing is changed before the change set was shown and agreed
to. It ends by publishing what `make promises` found of this very code, or says what is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.operate.aws import Aws, CommandFailed
from infra.operate.deployment import BadParameters, Deployment, read_deployment
from infra.operate.edge import REGION as EDGE_REGION
from infra.operate.edge import write_edge
from infra.operate.preflight import preflight, told
from infra.operate.rollout import Refused, Stack, roll_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.operate.place import Place

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Deploying:
    """One run: where, from which folder, and who agrees to what was shown."""

    place: Place
    out: Path
    agreed: Callable[[str], bool]

    @property
    def deployment(self) -> Deployment:
        return self.place.deployment

    @property
    def folder(self) -> str:
        """Where in the bucket of artifacts this stage keeps what was deployed."""
        return f"cetrus/{self.deployment.stage}"


@dataclass(frozen=True, slots=True)
class Release:
    """What is deployed together: the template of the stack and that of the front door before it."""

    main: Path
    edge: Path

    @property
    def name(self) -> str:
        """The digest of both texts."""
        both = self.main.read_bytes() + self.edge.read_bytes()
        return hashlib.sha256(both).hexdigest()[:12]


def deploy(run: Deploying, release: str | None = None) -> str:
    """Deploy what the sources say, or an earlier release; returns the release's name.

    Raises Refused, CommandFailed or PackagingError with one clear line.
    """
    aws = Aws(run.deployment.region)
    result = preflight(run.place)
    if result.findings:
        print(told(result, run.place))
    if result.blocking:
        raise Refused("The preflight found what stands in the way; nothing was changed.")
    chosen = fetch(run, aws, release) if release else package(run, aws)
    main_stack = Stack(
        run.deployment.stack,
        chosen.main,
        run.deployment.parameters,
        run.deployment.artifacts,
        f"{run.folder}/templates",
    )
    roll_out(main_stack, aws, new=not run.place.deployed, agreed=run.agreed)
    if not release:
        keep(run, aws, chosen)
    put_edge(run, chosen.edge)
    return chosen.name


def package(run: Deploying, aws: Aws) -> Release:
    """Make templates and zip, and upload the zip, which the template of the stack names."""
    from infra.package import package as make

    made = make("prod", run.out)
    target = run.out / "packaged.yaml"
    aws.run(
        *("cloudformation", "package", "--template-file", str(made.sam)),
        *("--s3-bucket", run.deployment.artifacts, "--s3-prefix", f"{run.folder}/code"),
        *("--output-template-file", str(target)),
    )
    return Release(target, write_edge(run.out))


def keep(run: Deploying, aws: Aws, chosen: Release) -> None:
    """So that it can be put back; the stack's template last, without which there is none."""
    main, edge = release_addresses(run, chosen.name)
    aws.run("s3", "cp", str(chosen.edge), edge)
    aws.run("s3", "cp", str(chosen.main), main)


def fetch(run: Deploying, aws: Aws, release: str) -> Release:
    """The templates of an earlier release; raises CommandFailed where there is none."""
    run.out.mkdir(parents=True, exist_ok=True)
    kept = Release(run.out / "packaged.yaml", run.out / "edge.json")
    main, edge = release_addresses(run, release)
    aws.run("s3", "cp", main, str(kept.main))
    aws.run("s3", "cp", edge, str(kept.edge))
    return kept


def release_addresses(run: Deploying, release: str) -> tuple[str, str]:
    """Where the template of the stack and that of the front door are kept."""
    kept = f"s3://{run.deployment.artifacts}/{run.folder}/releases/{release}"
    return f"{kept}.yaml", f"{kept}.edge.json"


def put_edge(run: Deploying, template: Path) -> None:
    """Put the front door before the stack, where there is a certificate for it."""
    chosen = run.deployment
    if not chosen.certificate:
        print(f"{chosen.edge_stack}: without a certificate there is none")
        return
    parameters = {
        "Stage": chosen.stage,
        "DomainName": chosen.host,
        "CertificateArn": chosen.certificate,
        "ApiDomain": run.place.output("ApiDomain"),
        "VisitorLogsBucketArn": run.place.output("VisitorLogsBucketArn"),
        "AlarmEmail": chosen.alarm_email,
    }
    stack = Stack(chosen.edge_stack, template, parameters)
    new = not run.place.fronted
    roll_out(stack, Aws(EDGE_REGION), new=new, agreed=run.agreed)


def agree(question: str) -> bool:
    """Ask whoever sits at the terminal; nobody there is a no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="make deploy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage", required=True)
    parser.add_argument("--params", required=True, type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "deploy")
    parser.add_argument("--release", help="put this earlier release back")
    parser.add_argument("--yes", action="store_true", help="carry out what is shown, unasked")
    chosen = parser.parse_args(arguments)
    from infra.dependencies import PackagingError
    from infra.operate.place import Place

    try:
        place = Place(read_deployment(chosen.stage, chosen.params))
    except BadParameters as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 2
    run = Deploying(place, chosen.out, (lambda _: True) if chosen.yes else agree)
    try:
        release = deploy(run, chosen.release)
    except (Refused, CommandFailed, PackagingError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    print(end(place.deployment, release))
    print(proven(place.deployment, earlier=bool(chosen.release)))
    return 0


def proven(chosen: Deployment, *, earlier: bool) -> str:
    """What the proof page has of this release; an earlier one is not of the files that are here."""
    from infra.operate.proof import after_deploying

    if earlier:
        return (
            "The proof page calls its results stale until those of this release's commit are there."
        )
    return after_deploying(chosen)


def end(chosen: Deployment, release: str) -> str:
    again = f"STAGE={chosen.stage} PARAMS=…"
    return "\n".join(
        [
            f"{chosen.stack} runs release {release}.",
            f"  make preflight {again}            what is left to do",
            f"  make smoke URL={chosen.base_url}   look at it from outside",
            f"  make deploy {again} RELEASE={release}   put this one back, some day",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
