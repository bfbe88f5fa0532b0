"""The ledger from outside: whatever is done to an export, the verifier finds it, and says where."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.core.clock import HOUR, to_text
from chalicelib.privacy import wiring as records
from chalicelib.privacy.heads import KIND, key_of
from chalicelib.privacy.ledger import Ledger
from chalicelib.privacy.rules import FIRST, Entry, Event, Purpose
from chalicelib.privacy.seals import digest, statement
from infra import admin, verify_ledger
from infra.package import ROOT
from tests.conftest import NOON, kept_client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.promise("PS-45")
Rows = list[dict[str, Any]]
OPENED = Entry(Event.OPENED, Purpose.ACCOUNT, "1:x", "test")
VERIFIER = ROOT / "infra" / "verify_ledger.py"


@pytest.fixture
def export(tables: Tables, clock: FakeClock, tmp_path: Path) -> Path:
    """Three hours of two chains with a head each, one row younger than the last, taken out."""
    ledger = Ledger(tables.accounts)
    for hour in range(3):
        for subject in ("sub_a", "sub_b"):
            ledger.record(subject, OPENED, NOON + hour * HOUR + 1)
            ledger.record(subject, OPENED, NOON + hour * HOUR + 2)
        clock.now = NOON + (hour + 1) * HOUR + 6 * 60_000
        records.head_maker().run()
    ledger.record("sub_a", OPENED, NOON + 3 * HOUR + 1)
    assert admin.main(["ledger-export", "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def verify(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run as a lone file: nothing of the project can be imported."""
    command = [sys.executable, "-I", str(VERIFIER), "--rows", str(folder / "rows.jsonl")]
    command += ["--heads", str(folder / "heads"), "--key", str(folder / "key.pem")]
    command += more if "--until" in more else ["--until", to_text(NOON + 4 * HOUR), *more]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder.parent)


def rows_of(folder: Path) -> Rows:
    return [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]


def put_rows(folder: Path, rows: Rows) -> None:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def chained(rows: Rows) -> Rows:
    """Every chain with numbers and hashes made anew, as somebody with the table could."""
    last: dict[str, tuple[int, str]] = {}
    made = []
    for row in rows:
        number, previous = last.get(row["subject"], (0, FIRST))
        new = {**row, "number": number + 1, "previous": previous}
        new["hash"] = verify_ledger.row_hash(new)
        last[row["subject"]] = (number + 1, new["hash"])
        made.append(new)
    return made


def edited(rows: Rows) -> Rows:
    rows[2]["reason"] = "page:/else"
    return rows


def swapped(rows: Rows) -> Rows:
    rows[1], rows[2] = rows[2], rows[1]
    return rows


def dated_back(rows: Rows) -> Rows:
    """A new row at the end of the chain that says it was written in the first hour."""
    last = max((row for row in rows if row["subject"] == "sub_b"), key=lambda row: row["number"])
    new = {
        **last, "number": last["number"] + 1, "previous": last["hash"], "at": NOON + 3 * HOUR - 1
    }  # fmt: skip
    return [*rows, {**new, "hash": verify_ledger.row_hash(new)}]


PLANTED: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "edited": (edited, "sub_a row 3: was changed after it was written"),
    "edited-and-chained-anew": (
        lambda rows: chained(edited(rows)), "sub_a row 4: is another row now: head 2 saw it",
    ),
    "taken-out": (lambda rows: rows[:2] + rows[3:], "sub_a row 4: row 3 should stand here"),
    "taken-out-and-chained-anew": (
        lambda rows: chained(rows[:2] + rows[3:]), "sub_a row 4: is another row now",
    ),
    "in-another-order": (swapped, "sub_a row 3: row 2 should stand here"),
    "cut-off": (
        lambda rows: [row for row in rows if row["subject"] != "sub_b" or row["number"] < 6],
        "sub_b row 6: cut off: head 3 saw it",
    ),
    "a-whole-chain-gone": (
        lambda rows: [row for row in rows if row["subject"] == "sub_a"],
        "sub_b row 2: cut off: head 1 saw it",
    ),
    "dated-back": (dated_back, "sub_b row 7: is dated into hours that head 3 closed without it"),
}  # fmt: skip


class TestRows:
    def test_what_nobody_touched_is_in_order(self, export: Path) -> None:
        done = verify(export)
        assert (done.returncode, done.stderr) == (0, "")
        first = done.stdout.splitlines()[0]
        assert first == (
            "13 rows of 2 chains, 3 heads, 1 rows younger than the last head, 0 findings"
        )
        assert done.stdout.splitlines()[1].endswith(", ends 2026-11-25T15:00:00Z")

    @pytest.mark.parametrize("planted", PLANTED)
    def test_what_was_done_to_rows_is_found(self, planted: str, export: Path) -> None:
        change, found = PLANTED[planted]
        put_rows(export, change(rows_of(export)))
        done = verify(export)
        assert done.returncode == 1
        assert found in done.stdout

    def test_a_chain_made_up_in_an_hour_that_is_over_is_found(self, export: Path) -> None:
        new = {**rows_of(export)[0], "subject": "sub_c", "at": NOON + HOUR}
        put_rows(export, [*rows_of(export), *chained([new])])
        assert "sub_c row 1: is dated into hours that head 2 closed without it" in (
            verify(export).stdout
        )

    def test_a_chain_made_up_from_before_the_first_head_is_found(self, export: Path) -> None:
        new = {**rows_of(export)[0], "subject": "sub_c", "at": NOON - 3 * 365 * 24 * HOUR}
        put_rows(export, [*rows_of(export), *chained([new, new])])
        done = verify(export)
        assert done.returncode == 1
        assert (
            "sub_c rows 1 to 2: 2 dated before the first head, and no head covers them"
            in done.stdout
        )

    def test_what_came_before_the_first_head_is_in_order_once_a_head_saw_its_chain(
        self, tables: Tables, clock: FakeClock, tmp_path: Path
    ) -> None:
        ledger = Ledger(tables.accounts)
        for at in (NOON - 5 * HOUR, NOON - 4 * HOUR, NOON + 1):
            ledger.record("sub_a", OPENED, at)
        clock.now = NOON + HOUR + 6 * 60_000
        records.head_maker().run()
        assert admin.main(["ledger-export", "--out", str(tmp_path / "out")]) == 0
        assert verify(tmp_path / "out", "--until", to_text(NOON + HOUR)).returncode == 0

    def test_heads_that_began_years_late_cover_what_never_moved_again(
        self, tables: Tables, clock: FakeClock, tmp_path: Path
    ) -> None:
        """And from then on it is found where such a chain is cut off, or its row edited."""
        folder, ledger, years = tmp_path / "out", Ledger(tables.accounts), 900 * 24 * HOUR
        for at in (NOON, NOON + 1):
            ledger.record("sub_a", OPENED, at)
        clock.now = NOON + years + 6 * 60_000
        records.head_maker().run()
        assert admin.main(["ledger-export", "--out", str(folder)]) == 0
        end = to_text(NOON + years)
        rows = rows_of(folder)
        assert verify(folder, "--until", end).returncode == 0
        put_rows(folder, rows[:1])
        assert "sub_a row 2: cut off: head 1 saw it" in verify(folder, "--until", end).stdout
        put_rows(folder, chained([rows[0], {**rows[1], "reason": "page:/else"}]))
        assert "sub_a row 2: is another row now" in verify(folder, "--until", end).stdout


def head_file(folder: Path, number: int) -> Path:
    return folder / "heads" / f"{number:010d}.json"


def forge(folder: Path, number: int, **changed: Any) -> None:
    document = json.loads(head_file(folder, number).read_bytes())
    document["body"] |= changed
    head_file(folder, number).write_text(json.dumps(document))


def resign(folder: Path, number: int, **changed: Any) -> None:
    """A head that our own key signs, as somebody with the right to sign could."""
    body = json.loads(head_file(folder, number).read_bytes())["body"] | changed
    head_file(folder, number).write_bytes(wiring.seals().sign(KIND, body))


class TestHeads:
    def test_a_missing_one_is_found(self, export: Path) -> None:
        head_file(export, 2).unlink()
        done = verify(export)
        assert (done.returncode, "head 3: head 2 is missing before it" in done.stdout) == (1, True)

    def test_none_at_all_is_found(self, export: Path) -> None:
        for number in (1, 2, 3):
            head_file(export, number).unlink()
        done = verify(export)
        assert (done.returncode, "there is none that the key signed" in done.stdout) == (1, True)

    def test_the_last_one_gone_with_the_rows_behind_it_is_found(self, export: Path) -> None:
        head_file(export, 3).unlink()
        put_rows(export, [row for row in rows_of(export) if row["at"] < NOON + 2 * HOUR])
        assert verify(export, "--until", to_text(NOON + 4 * HOUR)).returncode == 0
        done = verify(export, "--until", to_text(NOON + 4 * HOUR + 1))
        assert (done.returncode, "last head: heads are stale" in done.stdout) == (1, True)

    def test_heads_that_end_long_before_the_newest_row_are_stale(self, export: Path) -> None:
        for number in (2, 3):
            head_file(export, number).unlink()
        done = verify(export, "--until", to_text(NOON + 3 * HOUR))
        assert (done.returncode, "last head: heads are stale" in done.stdout) == (1, True)

    def test_without_an_end_the_export_goes_until_now(self, export: Path) -> None:
        pem = verify_ledger.read_key((export / "key.pem").read_text())
        found, _ = verify_ledger.judge({}, export / "heads", pem)
        assert "last head" in {finding.where for finding in found}

    def test_a_forged_one_is_found(self, export: Path) -> None:
        forge(export, 2, chains=[])
        done = verify(export)
        assert done.returncode == 1
        assert "0000000002.json: this head was not signed by the key: forged" in done.stdout

    def test_a_head_of_another_key_is_found(self, export: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        (export / "key.pem").write_bytes(key.public_bytes(serialization.Encoding.PEM, kind))
        assert verify(export).stdout.count("forged") == 3

    def test_one_in_anothers_place_is_found(self, export: Path) -> None:
        head_file(export, 2).write_bytes(head_file(export, 1).read_bytes())
        assert "0000000002.json: holds head 1, not its own" in verify(export).stdout

    def test_one_that_was_signed_anew_contradicts_the_next(self, export: Path) -> None:
        resign(export, 2, chains=[])
        assert "head 3: does not follow from the head before it" in verify(export).stdout

    def test_hours_that_were_left_out_are_found(self, export: Path) -> None:
        resign(export, 3, **{"from": NOON + 2 * HOUR + 1})
        assert "head 3: hours are left out before it" in verify(export).stdout

    def test_heads_that_were_all_made_anew_lack_the_one_that_somebody_kept(
        self, export: Path
    ) -> None:
        kept = digest(json.loads(head_file(export, 2).read_bytes())["body"])
        assert verify(export, "--known", kept).returncode == 0
        resign(export, 2, chains=[])
        assert "the one that you know is not among them" in verify(export, "--known", kept).stdout

    def test_one_that_came_late_is_found_unless_it_is_named(
        self, export: Path, clock: FakeClock
    ) -> None:
        clock.now = NOON + 23 * HOUR + 6 * 60_000
        records.head_maker().run()
        assert admin.main(["ledger-export", "--out", str(export)]) == 0
        until = ("--until", to_text(clock.now))
        done = verify(export, *until)
        said = (
            "head 4: came late: rows of 2026-11-25T15:00:00Z to 2026-11-26T11:00:00Z "
            "were unsigned for 20 h"
        )
        assert (done.returncode, said in done.stdout) == (1, True)
        assert verify(export, *until, "--gap", "3").returncode == 1
        assert verify(export, *until, "--gap", "3", "--gap", "4").returncode == 0

    def test_of_two_hours_none_came_late(self, export: Path, clock: FakeClock) -> None:
        clock.now = NOON + 5 * HOUR + 6 * 60_000
        records.head_maker().run()
        assert admin.main(["ledger-export", "--out", str(export)]) == 0
        assert verify(export, "--until", to_text(clock.now)).returncode == 0

    def test_one_that_says_it_was_made_too_soon_is_found(self, export: Path) -> None:
        resign(export, 3, made_at=NOON + 3 * HOUR - 1)
        assert "head 3: was made before its hours were over" in verify(export).stdout

    @pytest.mark.promise("PS-78")
    def test_a_version_of_the_policy_that_became_another_is_found(self, export: Path) -> None:
        resign(export, 3, policies=["1:2b3d61a3520d6ce9", "3:0000000000000000"])
        said = "head 3: knows version 3 of the policy as another than heads before it"
        assert said in verify(export).stdout

    def test_heads_of_earlier_releases_do_not_say_when_they_were_made(self, export: Path) -> None:
        previous = FIRST
        for number in (1, 2, 3):
            body = json.loads(head_file(export, number).read_bytes())["body"]
            del body["made_at"], body["ahead"], body["policies"]
            body["previous"] = previous
            head_file(export, number).write_bytes(wiring.seals().sign(KIND, body))
            previous = digest(body)
        assert verify(export).returncode == 0

    def test_it_says_when_it_could_not_look(self, export: Path) -> None:
        (export / "key.pem").write_text("no key")
        done = verify(export)
        assert (done.returncode, "NotAKey" in done.stderr) == (2, True)


class TestSignatures:
    """The file's own arithmetic, against a library's."""

    @settings(max_examples=12, deadline=None)
    @given(st.binary(max_size=60), st.binary(min_size=1, max_size=60))
    def test_it_takes_what_the_library_signs_and_nothing_else(
        self, message: bytes, other: bytes
    ) -> None:
        private = ec.generate_private_key(ec.SECP256R1())
        point = private.public_key().public_numbers()
        key = (point.x, point.y)
        signature = private.sign(message, ec.ECDSA(hashes.SHA256()))
        assert verify_ledger.signed(key, message, signature)
        assert not verify_ledger.signed(key, message + other, signature)
        broken = bytearray(signature)
        broken[-1] ^= 1
        assert not verify_ledger.signed(key, message, bytes(broken))

    @pytest.mark.parametrize(
        "signature", [b"", b"\x30\x00", bytes.fromhex("3006020100020100"), b"\x30" * 9]
    )
    def test_nothing_is_no_signature(self, signature: bytes) -> None:
        assert not verify_ledger.signed(verify_ledger.G, b"x", signature)

    def test_a_point_off_the_curve_is_no_key(self) -> None:
        der = verify_ledger.SPKI + b"\x01" * 64
        with pytest.raises(verify_ledger.NotAKey):
            verify_ledger.read_key(base64.b64encode(der).decode())

    def test_the_service_signs_what_the_verifier_reads(self, tables: Tables) -> None:
        key = verify_ledger.read_key(wiring.seals().public_pem())
        document = json.loads(wiring.seals().sign("proof", {"é": 1}))
        signature = base64.b64decode(document["signature"])
        assert verify_ledger.signed(key, statement("proof", {"é": 1}), signature)


class TestWhatLiesOverAHead:
    @pytest.fixture
    def rewritten(self, export: Path, tables: Tables, clock: FakeClock) -> Path:
        """Heads are hidden, rows taken out, and the hourly job has signed what was left."""
        s3 = kept_client("s3")
        for number in (2, 3):
            s3.delete_object(Bucket="cetrus-heads", Key=key_of(number))
        for number in range(3, 7):
            tables.accounts.apply(tables.accounts.delete("LEDGER#sub_b", f"ROW#{number:010d}"))
        clock.now = NOON + 4 * HOUR + 6 * 60_000
        records.head_maker().run()
        return export

    def test_a_history_that_was_made_anew_under_hidden_heads_is_found(
        self, rewritten: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capsys.readouterr()
        assert admin.main(["ledger-export", "--out", str(rewritten)]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["deleted"], told["put_again"], told["heads"]) == ([2, 3], [], 4)
        done = verify(rewritten)
        assert done.returncode == 1
        for said in (
            "sub_b row 6: cut off: head 3 saw it",
            "head 2: was deleted: a marker was laid over it",
            "head 3: was deleted: a marker was laid over it",
        ):
            assert said in done.stdout

    def test_the_second_version_of_a_head_is_not_the_head(
        self, export: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        document = head_file(export, 1).read_bytes()
        records.heads().bucket.write(key_of(2), document, content_type="application/json")
        capsys.readouterr()
        assert admin.main(["ledger-export", "--out", str(export)]) == 0
        assert json.loads(capsys.readouterr().out)["put_again"] == [2]
        assert (export / "heads" / "0000000002.again-1.json").read_bytes() == document
        done = verify(export)
        assert done.stdout.splitlines()[0] == "head 2: was put again: this one is the first"
        assert "1 findings" in done.stdout

    def test_an_export_says_up_to_when_it_goes(
        self, export: Path, clock: FakeClock, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capsys.readouterr()
        assert admin.main(["ledger-export", "--out", str(export)]) == 0
        assert json.loads(capsys.readouterr().out)["until"] == to_text(clock.now)


class TestDatedAhead:
    @pytest.fixture
    def ahead(self, tables: Tables, clock: FakeClock, export: Path) -> Path:
        """A row that says it was written three days later, and one after it that follows."""
        ledger = Ledger(tables.accounts)
        ledger.record("sub_b", OPENED, NOON + 3 * 24 * HOUR)
        ledger.record("sub_b", OPENED, NOON + 3 * HOUR + 30 * 60_000)
        clock.now = NOON + 4 * HOUR + 6 * 60_000
        records.head_maker().run()
        assert admin.main(["ledger-export", "--out", str(export)]) == 0
        return export

    def test_each_row_is_named(self, ahead: Path) -> None:
        done = verify(ahead, "--until", to_text(NOON + 4 * HOUR + 6 * 60_000))
        assert done.returncode == 1
        assert done.stdout.splitlines()[:2] == [
            f"sub_b row {number}: is dated ahead, 2026-11-28T12:00:00Z: a clock was wrong"
            for number in (7, 8)
        ]
        assert "0 rows younger than the last head, 2 findings" in done.stdout

    def test_that_one_is_gone_is_found(self, ahead: Path) -> None:
        put_rows(ahead, rows_of(ahead)[:-1])
        assert "sub_b row 8: cut off: head 4 saw it" in verify(ahead).stdout

    def test_once_its_day_has_come_it_is_in_order(self, ahead: Path, clock: FakeClock) -> None:
        clock.now = NOON + 4 * 24 * HOUR + 6 * 60_000
        records.head_maker().run()
        assert admin.main(["ledger-export", "--out", str(ahead)]) == 0
        assert verify(ahead, "--until", to_text(clock.now), "--gap", "5").returncode == 0
