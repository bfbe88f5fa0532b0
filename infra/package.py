"""What is deployed: one SAM template and one zip, made the same way each time.

    python -m infra.package --stage local|prod --out out

`out/` then holds `sam.yaml` (to deploy), `cfn.json` (its translation) and `deployment.zip`. A run
with unchanged input changes nothing and returns at once.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from infra import alarms, dashboard, facts, gateway, throttling
from infra.dependencies import PackagingError, compile_tree, installed, machine, runtime
from infra.fragments import laid_over, read_fragment
from infra.translate import REGION, translate

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".tools" / "packages"
STAGES = ("local", "prod")
LOCKED_DAYS = 400
"""For which heads of the ledger are locked in production; it can never be shortened there."""
CODE = ("app.py", "chalicelib", ".chalice/config.json", ".chalice/no-policy.json")
FRAGMENTS = ("infra/resources.yaml", "infra/roles.yaml")
STATED = ("infra/edge.yaml",)  # what the page on security states facts of, besides
TOOLS = (
    "package.py",
    "dependencies.py",
    "fragments.py",
    "facts.py",
    "translate.py",
    "gateway.py",
    "gateway.html",
    "alarms.py",
    "dashboard.py",
    "throttling.py",
)
OLDEST_TIME = (1980, 1, 1, 0, 0, 0)
# Chalice has a script but no module that can be run, and scripts are not always on the path.
CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
MEGABYTE = 1_000_000
LARGEST_ZIP = 25 * MEGABYTE
NEVER_SHIPPED = ("pip", "setuptools", "pytest", "moto", "awscrt", "time_machine", "infra", "tests")


@dataclass(frozen=True, slots=True)
class Artifact:
    """Where the three files are, and the runtime they were made for."""

    sam: Path
    cfn: Path
    zip: Path
    runtime: str
    fresh: bool


def package(stage: str, out: Path, root: Path = ROOT) -> Artifact:
    """Make `out/` say what the sources say; raises PackagingError with one clear line."""
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / ".lock"):
        mark = out / ".made-of"
        inputs = fingerprint(stage, root)
        artifact = Artifact(
            out / "sam.yaml", out / "cfn.json", out / "deployment.zip", runtime(), fresh=True
        )
        files = (artifact.sam, artifact.cfn, artifact.zip)
        if mark.exists() and mark.read_text() == inputs and all(file.exists() for file in files):
            return Artifact(*files, artifact.runtime, fresh=False)
        mark.unlink(missing_ok=True)
        make(stage, artifact, root)
        mark.write_text(inputs)
        return artifact


def make(stage: str, artifact: Artifact, root: Path) -> None:
    dependencies = installed(root / "requirements.txt", CACHE)
    with tempfile.TemporaryDirectory(prefix="cetrus-package-") as work:
        project, tree = Path(work) / "project", Path(work) / "tree"
        copy_project(root, project)
        facts.write_facts(facts.read_facts(root), project)
        template = chalice_package(stage, project, merge_template(stage, root))
        with zipfile.ZipFile(project / "made" / "deployment.zip") as code:
            code.extractall(tree)
        compile_tree(tree)
        write_zip(artifact.zip, tree, dependencies)
    check_zip(artifact.zip)
    artifact.sam.write_text(as_yaml(template))
    artifact.cfn.write_text(json.dumps(translate(template), indent=1, sort_keys=True) + "\n")


def copy_project(root: Path, project: Path) -> None:
    """A copy of what is packaged: no requirements, no bytecode, nothing that lies about."""
    for name in CODE:
        source, target = root / name, project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        elif source.exists():
            shutil.copyfile(source, target)
        else:
            raise PackagingError(f"{name} is missing")
    (project / "requirements.txt").touch()


def merge_template(stage: str, root: Path) -> dict[str, Any]:
    """All that is laid over Chalice's own template."""
    merged: dict[str, Any] = {}
    for name in FRAGMENTS:
        merged = laid_over(merged, read_fragment(root / name))
    functions = [
        name.removesuffix("Role") for name in read_fragment(root / FRAGMENTS[1])["Resources"]
    ]
    made = {**alarms.of_functions(functions), **alarms.of_metrics()}
    shown = dashboard.of_template(functions, merged["Resources"])
    merged = laid_over(merged, {"Resources": {**made, **shown}})
    merged = laid_over(merged, {"Resources": throttling.of_functions(functions)})
    locked = LOCKED_DAYS if stage == "prod" else 1
    defaults = {"Stage": {"Default": stage}, "HeadsLockedDays": {"Default": locked}}
    merged = laid_over(merged, {"Parameters": defaults})
    door = {
        "GatewayResponses": gateway.responses(),
        "MethodSettings": throttling.method_settings(),
    }
    return laid_over(merged, {"Resources": {"RestAPI": {"Properties": door}}})


def chalice_package(stage: str, project: Path, merge: dict[str, Any]) -> dict[str, Any]:
    """Run Chalice on the copy; returns its template with ours laid over it."""
    (project / "merge.json").write_text(json.dumps(merge))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_DEFAULT_REGION": REGION,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", CHALICE, "package", "--stage", stage]
    command += ["--template-format", "json", "--merge-template", "merge.json", "made"]
    done = subprocess.run(
        command, check=False, cwd=project, env=environment, capture_output=True, text=True
    )
    if done.returncode or "Could not install" in done.stdout + done.stderr:
        raise PackagingError(f"chalice did not package:\n{(done.stderr or done.stdout).strip()}")
    template: dict[str, Any] = json.loads((project / "made" / "sam.json").read_text())
    return for_this_machine(whole(template))


def whole(template: dict[str, Any]) -> dict[str, Any]:
    """The template, once every resource has a type: what we lay over must lie over something."""
    bare = sorted(name for name, it in template["Resources"].items() if "Type" not in it)
    if bare:
        raise PackagingError(f"app.py makes nothing for these to lie over: {', '.join(bare)}")
    return template


def for_this_machine(template: dict[str, Any]) -> dict[str, Any]:
    """The wheels in the zip are those of this machine's processor; the functions must match."""
    architecture = {"x86_64": "x86_64", "aarch64": "arm64"}[machine()]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["Architectures"] = [architecture]
    return template


def write_zip(target: Path, *trees: Path) -> None:
    """One zip of all trees, whose bytes depend on their contents alone."""
    files = {path.relative_to(tree).as_posix(): path for tree in trees for path in tree.rglob("*")}
    making = target.with_suffix(".making")
    with zipfile.ZipFile(making, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(name for name, path in files.items() if path.is_file()):
            entry = zipfile.ZipInfo(name, OLDEST_TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name].read_bytes())
    making.replace(target)


def check_zip(target: Path) -> None:
    """Raises PackagingError for a zip that is too large or holds what does not belong there."""
    with zipfile.ZipFile(target) as archive:
        top = {name.split("/", 1)[0] for name in archive.namelist()}
    if strays := sorted(top.intersection(NEVER_SHIPPED)):
        raise PackagingError(f"these do not belong into the zip: {', '.join(strays)}")
    if target.stat().st_size > LARGEST_ZIP:
        raise PackagingError(f"the zip has {target.stat().st_size / MEGABYTE:.1f} MB")


class _Plain(yaml.SafeDumper):
    """CloudFormation knows no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # the name is PyYAML's
        return True


def as_yaml(template: dict[str, Any]) -> str:
    return yaml.dump(template, Dumper=_Plain, sort_keys=True, width=110, allow_unicode=True)


def fingerprint(stage: str, root: Path) -> str:
    """Names all that the artifact depends on, by content."""
    digest = hashlib.sha256(f"{stage} {sys.version} {machine()}".encode())
    sources = [root / name for name in (*CODE, *FRAGMENTS, *STATED, "requirements.txt")]
    sources += [Path(__file__).with_name(tool) for tool in TOOLS]
    for source in sources:
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(source.parent)} {path.stat().st_size}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One packaging at a time in one folder."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__)
    parser.add_argument("--stage", choices=STAGES, default="prod")
    parser.add_argument("--out", type=Path, default=ROOT / "out")
    chosen = parser.parse_args()
    begun = time.perf_counter()
    try:
        made = package(chosen.stage, chosen.out)
    except PackagingError as problem:
        print(f"package: {problem}", file=sys.stderr)
        return 1
    size = made.zip.stat().st_size / MEGABYTE
    state = "made" if made.fresh else "unchanged"
    print(
        f"{state}: {chosen.out}/sam.yaml, cfn.json, deployment.zip ({size:.1f} MB, {made.runtime}) "
        f"in {time.perf_counter() - begun:.1f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
