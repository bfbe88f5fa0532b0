"""The ledger from outside, on the running cloud: heads, verifier, the night and the proof page."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.privacy.night import as_told
from chalicelib.privacy.proof import code_hash
from infra import verify_ledger
from infra.package import ROOT
from tests.cloud.people import WEB, new_customer
from tests.cloud.test_rights import ERASE, fill

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

pytestmark = pytest.mark.promise("PS-45")
HOUR = 3_600


def command(cloud: LocalCloud, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **cloud.operator, "LOCAL_CLOCK": str(cloud.clock_file)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def exported(cloud: LocalCloud, folder: Path) -> Path:
    done = command(cloud, "-m", "infra.admin", "ledger-export", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def verified(cloud: LocalCloud, folder: Path) -> subprocess.CompletedProcess[str]:
    arguments = ["--rows", str(folder / "rows.jsonl"), "--heads", str(folder / "heads")]
    arguments += known_gaps(folder)
    return subprocess.run(
        [sys.executable, "-I", str(ROOT / "infra/verify_ledger.py"), *arguments,
         "--key", str(folder / "key.pem"), "--until", cloud.control.now()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def known_gaps(folder: Path) -> list[str]:
    """Other tests move the clock, and the hourly job runs when it is told to."""
    return [f"--gap={int(path.stem)}" for path in (folder / "heads").iterdir()]


@pytest.fixture(scope="module")
def moved(cloud: LocalCloud) -> Control:
    """Two registered, one rests since, and the hour in which they did is under a head."""
    new_customer(cloud, "ledger-one")
    rester = new_customer(cloud, "ledger-rester")
    fill(rester, "/account/privacy/deactivate", password=rester.fields["password"])
    cloud.control.advance(HOUR + 600)
    cloud.control.run("ledger_heads")
    return cloud.control


def test_the_ledger_of_a_cloud_that_was_used_is_in_order(
    cloud: LocalCloud, moved: Control, tmp_path: Path
) -> None:
    done = verified(cloud, exported(cloud, tmp_path))
    assert done.returncode == 0, done.stdout
    assert "0 findings" in done.stdout


def test_what_is_cut_off_of_it_is_found(cloud: LocalCloud, moved: Control, tmp_path: Path) -> None:
    folder = exported(cloud, tmp_path)
    newest = json.loads(max((folder / "heads").iterdir()).read_bytes())["body"]
    heads = [json.loads(path.read_bytes())["body"] for path in (folder / "heads").iterdir()]
    subject, number, _ = max(
        (chain for head in heads for chain in head["chains"]), key=lambda chain: chain[1]
    )
    lines = (folder / "rows.jsonl").read_text().splitlines()
    kept = [row for row in map(json.loads, lines) if (row["subject"], row["number"]) < (
        subject, number) or row["subject"] != subject]  # fmt: skip
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    done = verified(cloud, folder)
    assert done.returncode == 1
    assert f"{subject} row {number}: cut off" in done.stdout
    assert newest["number"] == len(heads)


def storage(cloud: LocalCloud) -> Any:
    """S3, as the operator sees it."""
    import boto3

    return boto3.client(
        "s3", endpoint_url=cloud.operator["AWS_ENDPOINT_URL"],
        region_name=cloud.operator["AWS_REGION"],
        aws_access_key_id=cloud.operator["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud.operator["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip


FIRST_HEAD = "heads/0000000001.json"


def bucket_of(cloud: LocalCloud) -> str:
    name: str = cloud.control.dump()["buckets"]["HeadsBucket"]["name"]
    return name


def test_not_even_the_operator_puts_one_head_over_another_or_deletes_it(
    cloud: LocalCloud, moved: Control
) -> None:
    s3, bucket = storage(cloud), bucket_of(cloud)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key=FIRST_HEAD, Body=b"{}")
    (version, *_) = s3.list_object_versions(Bucket=bucket, Prefix=FIRST_HEAD)["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(
            Bucket=bucket, Key=FIRST_HEAD, VersionId=version["VersionId"],
            BypassGovernanceRetention=True,
        )  # fmt: skip


def test_nor_lays_the_operator_a_marker_over_one(cloud: LocalCloud, moved: Control) -> None:
    s3, bucket = storage(cloud), bucket_of(cloud)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key=FIRST_HEAD)
    rule = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": [rule]}
        )
    assert "DeleteMarkers" not in s3.list_object_versions(Bucket=bucket, Prefix=FIRST_HEAD)


def test_the_hourly_job_goes_on_from_the_head_that_was_put_last(
    cloud: LocalCloud, moved: Control
) -> None:
    """Under its own role: which versions there are, what the last one says, and the next."""
    before = heads_of(cloud)
    moved.advance(HOUR)
    assert moved.run("ledger_heads")["heads"] == 1
    after = heads_of(cloud)
    assert len(after) == len(before) + 1
    assert after[-1]["previous"] == verify_ledger.digest(after[-2])
    assert after[-1]["made_at"] >= after[-1]["until"]


def heads_of(cloud: LocalCloud) -> list[dict[str, Any]]:
    s3, bucket = storage(cloud), bucket_of(cloud)
    listed = s3.list_object_versions(Bucket=bucket, Prefix="heads/")["Versions"]
    names = sorted(found["Key"] for found in listed)
    return [
        json.loads(s3.get_object(Bucket=bucket, Key=name)["Body"].read())["body"] for name in names
    ]


def test_the_night_finds_nothing_and_the_page_shows_it_as_it_was_signed(
    cloud: LocalCloud, moved: Control
) -> None:
    found = moved.run("privacy_check")
    wrong = set(found["findings"]) - {"erasures_overdue", "raw_files_too_old"}
    assert wrong == set(), found
    keys = cloud.control.dump()["tables"]["KeysTable"]["items"]
    assert [item for item in keys if item["pk"] == {"S": "RESTS"}]
    assert found["resting_as_active"] == 0
    page = WEB.get(f"{cloud.app}/privacy/proof").text
    assert found["heads"]["last"]["hash"] in page
    shown: dict[str, Any] = WEB.get(f"{cloud.app}/privacy/proof.json").json()
    assert shown["running_code"] == found["code"]
    document = shown["night"]
    text = f"cetrus proof night\n{verify_ledger.digest(document['body'])}\n".encode()
    key = verify_ledger.read_key(shown["public_key"])
    assert verify_ledger.signed(key, text, base64.b64decode(document["signature"]))


def test_the_night_looks_at_what_waits_and_tells_how_long_what_is_done_took(
    cloud: LocalCloud, moved: Control
) -> None:
    """Under its own role, which may ask an account's row for one attribute alone."""
    waits, gone = new_customer(cloud, "night-waits"), new_customer(cloud, "night-gone")
    for person, hours in ((waits, "24"), (gone, "0")):
        assert fill(person, ERASE, hours=hours, password=person.fields["password"])
    moved.settle()
    moved.run("erasure_sweep")
    found = moved.run("privacy_check")
    for which in ("nothing_opens", "nothing_is_left"):
        told = found["times"][which]
        assert told["number"] >= 1
        assert 0 <= told["median_ms"] <= told["p99_ms"] <= told["longest_ms"]
    assert found["mails"]["account"]["sent"] >= 1
    shown = WEB.get(f"{cloud.app}/privacy/proof.json").json()["night"]["body"]
    assert shown == json.loads(json.dumps(as_told(found))), "small counts are told as few"


def test_results_that_are_published_are_of_the_program_that_runs(
    cloud: LocalCloud, moved: Control, tmp_path: Path
) -> None:
    results = tmp_path / "promises.json"
    promise = {
        "id": "PS-45", "says": "x", "result": "holds", "why": "", "control": [], "template": [],
        "tests": {"t": "passed"}, "mutants": {},
    }  # fmt: skip
    found = {"tree": "t", "commit": "c0ffee", "code": code_hash(), "quick": True}
    figures = {"accounts linked": "1 of 1000"}
    results.write_text(json.dumps({**found, "promises": [promise], "linkage": figures}))
    done = command(cloud, "-m", "infra.operate.proof", "--results", str(results))
    assert done.returncode == 0, done.stderr
    page = WEB.get(f"{cloud.app}/privacy/proof").text
    assert "1 of 1 promises hold" in page
    assert "<dt>Accounts linked</dt><dd>1 of 1000.</dd>" in page
    assert "stale" not in page
