"""The deployment zip: whole, lean, compiled, the same each time; loud when it cannot be made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra import package as packaging
from infra.dependencies import SERVICES, PackagingError, install
from infra.package import ROOT, Artifact, package

if TYPE_CHECKING:
    from collections.abc import Iterator

MEGABYTE = 1_000_000
SMOKE = Path(__file__).with_name("smoke.py")
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "a-key",
    "AWS_SECRET_ACCESS_KEY": "a-secret",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_LAMBDA_FUNCTION_NAME": "api_handler",
    "AWS_REGION": "eu-west-1",
    "BASE_URL": "https://cetrus.test",
    "PROCESSOR_ORIGIN": "https://checkout.processor.test",
    **dict.fromkeys(
        (
            "STAGE",
            "ACCOUNTS_TABLE",
            "USAGE_TABLE",
            "KEYS_TABLE",
            "INSTALLERS_BUCKET",
            "LOGS_BUCKET",
            "VISITOR_LOGS_BUCKET",
            "MAIL_BUCKET",
            "HEADS_BUCKET",
            "PROOF_BUCKET",
            "LEDGER_KEY_ID",
            "MAIL_QUEUE_URL",
            "PAYMENTS_QUEUE_URL",
            "VAULT_KEY_ID",
            "SIGNING_KEY_ID",
            "SECRETS_PREFIX",
            "PROCESSOR_API",
            "MAIL_FROM",
            "MAIL_DOMAIN",
            "MAIL_CONFIGURATION_SET",
        ),
        "not-used-here",
    ),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that stands still while the tests look at what is made of it."""
    copy = tmp_path_factory.mktemp("sources")
    packaging.copy_project(ROOT, copy)
    for name in (*packaging.FRAGMENTS, *packaging.STATED, "requirements.txt"):
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def artifact(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return package("prod", tmp_path_factory.mktemp("made"), sources)


@pytest.fixture(scope="module")
def names(artifact: Artifact) -> list[str]:
    with zipfile.ZipFile(artifact.zip) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def answered(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    task = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(artifact.zip) as archive:
        archive.extractall(task)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SMOKE), str(task)],
        check=False,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout.splitlines()[-1])
    shutil.rmtree(task)


class TestTheZipAlone:
    def test_it_answers_a_request(self, answered: dict[str, Any]) -> None:
        assert answered["status"] == 200
        assert "<title>" in answered["page"]

    def test_no_module_comes_from_elsewhere(self, answered: dict[str, Any]) -> None:
        assert answered["outside"] == []

    def test_every_module_comes_with_its_bytecode(self, answered: dict[str, Any]) -> None:
        assert answered["uncompiled"] == []

    def test_every_cloud_client_knows_its_endpoint(self, answered: dict[str, Any]) -> None:
        hosts = {name: name for name in ("dynamodb", "kms", "s3", "sqs", "ssm", "sts")} | {
            "ses": "email",
            "sesv2": "email",
        }
        assert answered["endpoints"] == {
            name: f"https://{host}.eu-west-1.amazonaws.com" for name, host in hosts.items()
        }
        assert answered["presigned"].startswith("https://cetrus-installers.s3.")


class TestContents:
    def test_the_zip_is_small(self, artifact: Artifact) -> None:
        assert artifact.zip.stat().st_size < packaging.LARGEST_ZIP <= 25 * MEGABYTE
        with zipfile.ZipFile(artifact.zip) as archive:
            assert sum(entry.file_size for entry in archive.infolist()) < 100 * MEGABYTE

    def test_it_holds_the_code_and_what_belongs_to_it(
        self, names: list[str], sources: Path
    ) -> None:
        held = set(names)
        code = {path for path in Path(sources / "chalicelib").rglob("*") if path.is_file()}
        wanted = {p.relative_to(sources).as_posix() for p in code if p.suffix != ".pyc"}
        assert {"app.py", "chalice/app.py"} | wanted <= held

    def test_it_holds_no_tools_tests_or_package_records(self, names: list[str]) -> None:
        top = {name.split("/", 1)[0] for name in names}
        assert not top & {"infra", "tests", "client", "docs", *packaging.NEVER_SHIPPED}
        assert not [name for name in names if ".dist-info" in name]
        assert not [name for name in names if {"tests", "examples"} & set(name.split("/")[:-1])]

    def test_botocore_describes_our_services_alone(self, names: list[str]) -> None:
        described = {
            n.split("/")[2] for n in names if n.startswith("botocore/data/") and n.count("/") > 2
        }
        assert described == SERVICES

    def test_bytecode_is_unchecked_and_for_this_interpreter(self, artifact: Artifact) -> None:
        from importlib.util import MAGIC_NUMBER

        with zipfile.ZipFile(artifact.zip) as archive:
            sources = {name for name in archive.namelist() if name.endswith(".py")}
            compiled = [name for name in archive.namelist() if name.endswith(".pyc")]
            assert len(compiled) == len(sources)
            for name in compiled:
                assert archive.read(name)[:8] == MAGIC_NUMBER + b"\x01\0\0\0", name

    def test_nothing_of_this_machine_stands_in_the_zip(self, artifact: Artifact) -> None:
        marks = (str(ROOT).encode(), b"cetrus-package-", b"/making-")
        with zipfile.ZipFile(artifact.zip) as archive:
            ours = [name for name in archive.namelist() if "chalicelib" in name or "app" in name]
            assert not [name for name in ours if any(m in archive.read(name) for m in marks)]


class TestMakingIt:
    def test_two_runs_give_the_same_bytes(
        self, artifact: Artifact, sources: Path, tmp_path: Path
    ) -> None:
        again = package("prod", tmp_path / "again", sources)
        for first, second in (
            (artifact.zip, again.zip),
            (artifact.sam, again.sam),
            (artifact.cfn, again.cfn),
        ):
            assert first.read_bytes() == second.read_bytes(), first.name

    def test_unchanged_sources_are_not_packaged_again(
        self, artifact: Artifact, sources: Path
    ) -> None:
        before = artifact.zip.stat().st_mtime_ns
        again = package("prod", artifact.zip.parent, sources)
        assert not again.fresh
        assert again.zip.stat().st_mtime_ns == before

    def test_stages_differ_in_their_names_and_how_long_heads_are_locked(
        self, artifact: Artifact, sources: Path, tmp_path: Path
    ) -> None:
        local = package("local", tmp_path / "local", sources)
        text = artifact.cfn.read_text()
        named = text.replace("stage=prod", "stage=local").replace(
            '"Default": "prod"', '"Default": "local"'
        )
        named = named.replace('"Default": 400', '"Default": 1')
        assert local.cfn.read_text() == named
        assert named != text
        assert local.zip.read_bytes() == artifact.zip.read_bytes()

    def test_a_package_that_cannot_be_had_stops_it(self, tmp_path: Path) -> None:
        locked = tmp_path / "requirements.txt"
        digest = "0" * 64
        locked.write_text(f"cetrus-no-such-package==1.0 --hash=sha256:{digest}\n")
        with pytest.raises(PackagingError, match="could not be installed"):
            install(locked, tmp_path / "tree")

    def test_a_package_without_its_hash_stops_it(self, tmp_path: Path) -> None:
        locked = tmp_path / "requirements.txt"
        locked.write_text("six==1.17.0\n")
        with pytest.raises(PackagingError, match="hash"):
            install(locked, tmp_path / "tree")

    def test_what_lies_over_nothing_stops_it(self) -> None:
        with pytest.raises(PackagingError, match="Forgotten"):
            packaging.whole({"Resources": {"Forgotten": {"Properties": {}}}})

    def test_strays_in_the_zip_stop_it(self, tmp_path: Path) -> None:
        stray = tmp_path / "stray.zip"
        with zipfile.ZipFile(stray, "w") as archive:
            archive.writestr("moto/__init__.py", "")
        with pytest.raises(PackagingError, match="moto"):
            packaging.check_zip(stray)


class TestChalice:
    @pytest.mark.parametrize("stage", packaging.STAGES)
    def test_its_own_deploy_checks_pass(self, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from chalice.cli.factory import CLIFactory
        from chalice.deploy.validate import validate_configuration

        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        validate_configuration(CLIFactory(str(ROOT)).create_config_obj(stage))


class TestLocks:
    @pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
    def test_a_lock_names_no_registry_and_hashes_everything(self, name: str) -> None:
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert not [line for line in text.splitlines() if line.startswith("-")]
        blocks = text.split("\n")
        pinned = [line for line in blocks if "==" in line and not line.startswith(" ")]
        assert pinned
        assert all(line.endswith("\\") for line in pinned)

    def test_both_locks_agree(self) -> None:
        def pins(name: str) -> dict[str, str]:
            lines = (ROOT / name).read_text().splitlines()
            return dict(
                line.split(" ")[0].split("==") for line in lines if "==" in line and line[0] != " "
            )

        runtime, development = pins("requirements.txt"), pins("requirements-dev.txt")
        assert runtime.items() <= development.items()

    def test_tools_are_not_locked_to_run_in_lambda(self) -> None:
        text = (ROOT / "requirements.txt").read_text()
        for tool in ("chalice", "moto", "pytest", "pip", "setuptools", "time-machine"):
            assert f"\n{tool}==" not in f"\n{text}", tool
