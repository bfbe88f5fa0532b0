"""The running cloud delivers its visitor logs into the bucket of the template."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from chalicelib.visits.classes import FIELDS

if TYPE_CHECKING:
    from infra.local.front.run import LocalCloud

TOKEN = "q7Jx0mW3tZ8vB2nL5kR9"


def lines(cloud: LocalCloud) -> list[dict[str, str]]:
    bucket = cloud.control.dump()["buckets"]["VisitorLogsBucket"]
    files = (cloud.control.object(bucket["name"], key) for key in bucket["keys"])
    return [json.loads(line) for file in files for line in gzip.decompress(file).splitlines()]


@pytest.mark.guarantee("G9")
def test_requests_stand_in_the_bucket_once_the_cloud_has_settled(cloud: LocalCloud) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "User-Agent": "probe/1.0", "Cookie": "a=b"}
    for path in ("/status", f"/verify/{TOKEN}", "/exit?to=elsewhere"):
        httpx.get(cloud.app + path, headers=headers)
    cloud.control.settle()
    written = [line for line in lines(cloud) if line["cs(User-Agent)"] == "probe/1.0"]
    assert all(tuple(line) == FIELDS for line in written)
    classes = [line["cache-behavior-path-pattern"] for line in written]
    assert classes == ["/status", "/verify/*", "/exit"]
    assert {line["c-ip"] for line in written} == {"203.0.113.9"}
    assert TOKEN not in json.dumps(written)


def test_moving_the_clock_delivers_what_came_before(cloud: LocalCloud) -> None:
    httpx.get(cloud.app + "/contact", headers={"User-Agent": "probe/2.0"})
    before = cloud.control.now()
    cloud.control.advance(3600)
    (line,) = (x for x in lines(cloud) if x["cs(User-Agent)"] == "probe/2.0")
    assert f"{line['date']}T{line['time']}" <= before
