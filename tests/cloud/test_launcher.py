"""A person, a browser and a terminal: a plain program downloaded, verified, unpacked and run."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.front.command import ROOT
from tests.cloud.conftest import operate
from tests.cloud.people import RUN, WEB, Customer, new_customer
from tests.cloud.program import approve, vendor_post

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
PLAN = "By the hour"


@dataclass
class Terminal:
    """A computer with the launcher on its path, and nothing of anybody else's."""

    cloud: LocalCloud
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        path = self.home / "bin"
        return {
            "PATH": f"{path}:/usr/bin:/bin",
            "HOME": str(self.home),
            "CETRUS_HOME": str(self.home / "state"),
            "PYTHONPATH": str(ROOT / "client"),
        }

    def install_launcher(self) -> None:
        command = self.home / "bin" / "cetrus"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cetrus "$@"\n')
        command.chmod(0o755)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environment, cwd=self.home, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Its streams hold nothing back, so that a line can be read before the rest is there."""
        return subprocess.Popen(
            command, env=self.environment, cwd=self.home, bufsize=0, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def cetrus(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.run("cetrus", *arguments)

    def said(self, *arguments: str | Path) -> Json:
        """The result of a command that must succeed, as programs read it."""
        done = self.cetrus(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        found: Json = json.loads(done.stdout)
        return found

    def sign_in(self, customer: Customer, application: str) -> None:
        """The launcher waits and asks by its own clock, so the service's must go on too."""
        login = self.start("cetrus", "--server", self.cloud.app, "login", application, "--json")
        assert login.stdout is not None
        code = json.loads(login.stdout.readline())["user_code"]
        approve(customer, code)
        for _ in range(60):
            if login.poll() is not None:
                break
            self.cloud.control.advance(6)
            time.sleep(1)
        _, err = login.communicate(timeout=300)
        assert login.returncode == 0, err.decode()


@pytest.fixture
def terminal(cloud: LocalCloud, tmp_path: Path) -> Terminal:
    made = Terminal(cloud, tmp_path)
    made.install_launcher()
    return made


def plan_of(cloud: LocalCloud, slug: str, name: str) -> str:
    seed = cloud.control.seed()
    (application,) = [each["id"] for each in seed["applications"] if each["slug"] == slug]
    plans = [p for p in seed["plans"] if (p["application"], p["name"]) == (application, name)]
    return str(plans[0]["id"])


def downloaded(customer: Customer, folder: Path) -> Path:
    """What the browser stores after a click on the page of downloads."""
    page = customer.open("/account/downloads")
    answer = customer.browser.fetch(page.link("for Linux"))
    assert answer.status_code == 303
    given = WEB.get(answer.headers["location"])
    name = given.headers["content-disposition"].rpartition("filename=")[2].strip('"')
    file = folder / name
    file.write_bytes(given.content)
    return file


def test_a_plain_program_is_downloaded_verified_unpacked_and_run_by_its_script(
    cloud: LocalCloud, terminal: Terminal, control: Control
) -> None:
    customer = new_customer(cloud, "launcher-plain")
    customer.buy("tally", plan_of(cloud, "tally", PLAN))
    file = downloaded(customer, terminal.home)
    terminal.sign_in(customer, "tally")
    verified = terminal.said("verify", "tally", file)
    assert verified["version"] == "1.0.0"
    with tarfile.open(file) as archive:
        archive.extractall(terminal.home / "tally", filter="data")

    # From here on no server is named: it is the one that the person signed in to.
    script = terminal.home / "tally" / "bin" / "tally"
    table = terminal.home / "tally" / "data" / "berths.csv"
    program = terminal.start(script, "pairs", "-", "--by", "boat,harbor")
    assert program.stderr is not None
    first = program.stderr.readline()
    assert first == b"Tally 1.0.0\n"
    # It gets its table only now, so the time between is the time that it ran.
    control.advance(90)
    given, said = program.communicate(table.read_bytes(), timeout=300)
    out, err = given.decode(), said.decode()
    assert program.returncode == 0, err
    assert "1.20 USD an hour" in " ".join(err.split())
    assert out.startswith("alike,line,other,boat,harbor,berth\n")
    assert "100,8,9,Etoile de Mer,BREST,D1" in out.splitlines()
    assert "Used: 0 h 01 min 30 s." in err
    failed = terminal.run(script, "pairs", "none.csv")
    assert failed.returncode == 66, failed.stderr

    control.run("license_sweep")
    (row,) = terminal.said("usage")["items"]
    assert (row["name"], row["plan"], row["milliseconds"]) == ("Tally", PLAN, 90_000)
    assert "Tally, By the hour" in terminal.cetrus("usage").stdout


def test_the_launcher_updates_in_one_swap_and_leaves_what_was_withdrawn(
    cloud: LocalCloud,
    terminal: Terminal,
    control: Control,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, slug = str(tmp_path_factory.mktemp("shelf")), f"ledger-{RUN}"
    made = operate(cloud, "offer", slug, folder, of="tests.cloud.shelf")
    customer = new_customer(cloud, "launcher-update")
    customer.buy(slug, made["plan"]["id"])
    terminal.sign_in(customer, slug)
    assert terminal.said("install", slug)["version"] == "1.0.0"

    newer = operate(cloud, "release", slug, folder, "1.1.0", of="tests.cloud.shelf")
    table = ROOT / "client" / "examples" / "tally" / "data" / "berths.csv"
    first = terminal.cetrus("run", slug, "--", "clean", str(table), "--by", "boat")
    assert first.returncode == 0, first.stderr
    assert terminal.said("update", slug, "--check")["update"] == "1.1.0"
    told = terminal.cetrus("run", slug, "--", "pairs", str(table))
    assert "Ledger 1.1.0 is out; this is 1.0.0." in told.stderr
    assert terminal.said("update", slug)["updated"] is True
    status = terminal.said("status")
    assert status["server"] == cloud.app
    (about,) = status["applications"]
    assert (about["installed"], about["update"], about["signed_in"]) == ("1.1.0", None, True)
    assert terminal.said("rollback", slug)["version"] == "1.0.0"
    assert terminal.said("update", slug)["updated"] is True

    withdraw = f"/v1/vendor/releases/{newer['id']}/withdraw"
    assert vendor_post(cloud, made["token"], withdraw).json()["state"] == "withdrawn"
    control.advance(60)
    refused = terminal.cetrus("run", slug, "--", "pairs", str(table))
    assert (refused.returncode, refused.stdout) == (113, "")
    assert f"`cetrus update {slug}`" in refused.stderr
    offered = terminal.cetrus("update", slug)
    assert f"`cetrus install {slug} --downgrade`" in offered.stdout
    assert terminal.said("install", slug, "--downgrade")["version"] == "1.0.0"
    again = terminal.cetrus("run", slug, "--", "pairs", str(table))
    assert again.returncode == 0, again.stderr


def test_each_plan_is_told_in_the_service_s_words_and_its_end_with_what_to_do(
    cloud: LocalCloud, terminal: Terminal, control: Control
) -> None:
    table = ROOT / "client" / "examples" / "tally" / "data" / "berths.csv"
    customer = new_customer(cloud, "launcher-plans")
    customer.buy("tally", plan_of(cloud, "tally", "Two weeks free"))
    terminal.sign_in(customer, "tally")
    assert terminal.said("install", "tally")["version"] == "1.0.0"
    trial = terminal.said("check", "tally")["offer"]
    assert trial["kind"] == "trial"
    assert "Your trial runs until" in terminal.cetrus("check", "tally").stdout
    run = terminal.cetrus("run", "tally", "--", "pairs", table)
    assert run.returncode == 0, run.stderr
    assert trial["cost"] in " ".join(run.stderr.split())

    control.advance(14 * 86_400)
    over = terminal.cetrus("run", "tally", "--", "pairs", table)
    assert (over.returncode, over.stdout) == (112, "")
    assert "This license has expired." in over.stderr
    assert "choose a plan" in over.stderr

    customer.buy("tally", plan_of(cloud, "tally", "Ten hours"))
    run = terminal.cetrus("run", "tally", "--", "pairs", table)
    assert run.returncode == 0, run.stderr
    assert "This start uses your pass. Left on it: 10 h" in " ".join(run.stderr.split())


@pytest.mark.guarantee("G1")
def test_one_seat_serves_one_program_at_a_time_and_a_killed_launcher_keeps_it(
    cloud: LocalCloud, terminal: Terminal
) -> None:
    table = ROOT / "client" / "examples" / "tally" / "data" / "berths.csv"
    customer = new_customer(cloud, "launcher-seat")
    customer.open("/apps/tally")
    customer.browser.submit("/orders", plan=plan_of(cloud, "tally", "Monthly seat"), seats="1")
    assert customer.pay().path.startswith("/orders/")
    terminal.sign_in(customer, "tally")
    assert terminal.said("install", "tally")["version"] == "1.0.0"

    def reading() -> subprocess.Popen[bytes]:
        """A program that holds its lease until it is given a table."""
        program = terminal.start("cetrus", "run", "tally", "--", "pairs", "-")
        assert program.stderr is not None
        assert program.stderr.readline() == b"Tally 1.0.0\n"
        return program

    first = reading()
    refused = terminal.cetrus("run", "tally", "--", "pairs", str(table))
    assert (refused.returncode, refused.stdout) == (110, "")
    assert "All seats of this license are taken." in refused.stderr
    assert " Try again at " in refused.stderr
    out, err = first.communicate(table.read_bytes(), timeout=300)
    assert (first.returncode, b"Etoile" in out) == (0, True), err

    # The seat is free at once; and a launcher that dies leaves it to the next start here.
    second = reading()
    second.kill()
    second.communicate(timeout=300)
    again = terminal.cetrus("run", "tally", "--", "pairs", str(table))
    assert again.returncode == 0, again.stderr


def test_a_person_is_told_what_is_wrong_and_what_to_do(
    cloud: LocalCloud, terminal: Terminal
) -> None:
    wrong = terminal.cetrus("--server", cloud.s3, "login", "tally")
    assert (wrong.returncode, wrong.stdout) == (103, "")
    assert "CETRUS_SERVER" in wrong.stderr
    unknown = terminal.cetrus("--server", cloud.app, "login", "no-such-thing")
    assert unknown.returncode == 106
    assert "There is no such application." in unknown.stderr
    nobody = terminal.cetrus("--server", cloud.app, "run", "tally")
    assert nobody.returncode == 108
    assert "cetrus install tally" in nobody.stderr


def test_without_a_license_a_launch_is_refused_with_what_to_do(
    cloud: LocalCloud, terminal: Terminal
) -> None:
    customer = new_customer(cloud, "launcher-unlicensed")
    terminal.sign_in(customer, "tally")
    refused = terminal.cetrus("check", "tally")
    assert refused.returncode == 104
    assert "Check that this account has a license" in refused.stdout
    page = terminal.cetrus("install", "tally")
    assert page.returncode == 106
    assert "choose a plan" in page.stderr
