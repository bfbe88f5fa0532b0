"""The S3 front against boto3's own presigned links and forms, before moto."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.config import Config
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from infra.local.front.s3 import LARGEST_FORM, Backend, serve_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "a/b c+é.txt"
RULES = [
    {
        "AllowedOrigins": ["https://app.test"],
        "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["content-type"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 300,
    }
]
KNOWN: dict[str, tuple[str, str | None]] = {
    "AKIALASTING": ("secret", None),
    "ASIATEMPORARY": ("other-secret", "the+token/=="),
}


@dataclass
class S3:
    """The front, its clock and clients that sign for it."""

    url: str
    http: httpx.Client
    ahead: timedelta = timedelta()
    reads: list[str] = field(default_factory=list)

    def client(self, key: str = "AKIALASTING", secret: str = "", token: str | None = None) -> Any:
        return boto3.client(
            "s3",
            region_name="eu-west-1",
            endpoint_url=self.url,
            aws_access_key_id=key,
            aws_secret_access_key=secret or KNOWN[key][0],
            aws_session_token=token,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )

    def link(self, client: Any = None, method: str = "get_object", **more: Any) -> str:
        expires = more.pop("ExpiresIn", 60)
        params = {"Bucket": "bucket", "Key": KEY, **more}
        link = (client or self.client()).generate_presigned_url(method, params, ExpiresIn=expires)
        return str(link)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.text.partition("<Code>")[2].partition("<")[0]


MISMATCH = (403, "SignatureDoesNotMatch")


@pytest.fixture(scope="module")
def running() -> Iterator[S3]:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()

    def read(bucket: str, key: str) -> tuple[io.BytesIO, int] | None:
        found = s3_backends["123456789012"]["aws"].buckets[bucket].keys.get(key)
        if found is None:
            return None
        judge.reads.append(key)
        return io.BytesIO(found.value), len(found.value)

    def now() -> datetime:
        return datetime.now(UTC) + judge.ahead

    backend = Backend(f"http://{host}:{port}", KNOWN.get, read, lambda _: RULES, now)
    server = serve_s3(backend).start()
    with httpx.Client() as http:
        judge = S3(f"http://127.0.0.1:{server.port}", http)
        where = {"LocationConstraint": "eu-west-1"}
        judge.client().create_bucket(Bucket="bucket", CreateBucketConfiguration=where)
        judge.client().put_object(
            Bucket="bucket", Key=KEY, Body=b"0123456789", ContentType="text/plain"
        )
        yield judge
    server.stop()
    moto.stop()


@pytest.fixture
def s3(running: S3) -> S3:
    running.ahead = timedelta()
    running.reads.clear()
    return running


class TestReading:
    def test_a_valid_link_serves_the_object_from_its_file(self, s3: S3) -> None:
        answer = s3.http.get(s3.link())
        assert (answer.status_code, answer.content) == (200, b"0123456789")
        assert answer.headers["content-type"] == "text/plain"
        assert answer.headers["etag"]
        assert s3.reads == [KEY]

    def test_ranges_resume_a_download(self, s3: S3) -> None:
        answer = s3.http.get(s3.link(), headers={"Range": "bytes=2-4"})
        assert (answer.status_code, answer.content) == (206, b"234")
        assert answer.headers["content-range"] == "bytes 2-4/10"
        assert s3.http.get(s3.link(), headers={"Range": "bytes=-3"}).content == b"789"
        beyond = s3.http.get(s3.link(), headers={"Range": "bytes=99-"})
        assert code(beyond) == (416, "InvalidRange")

    def test_head_needs_a_link_of_its_own(self, s3: S3) -> None:
        assert s3.http.head(s3.link()).status_code == 403
        answer = s3.http.head(s3.link(method="head_object"))
        assert (answer.status_code, answer.headers["content-length"]) == (200, "10")

    def test_a_link_may_set_the_download_name(self, s3: S3) -> None:
        name = 'attachment; filename="x y.exe"'
        answer = s3.http.get(s3.link(ResponseContentDisposition=name))
        assert answer.headers.get_list("content-disposition") == [name]

    def test_a_missing_object_is_404(self, s3: S3) -> None:
        assert code(s3.http.get(s3.link(Key="none"))) == (404, "NoSuchKey")

    def test_an_unchanged_object_is_304(self, s3: S3) -> None:
        etag = s3.http.get(s3.link()).headers["etag"]
        answer = s3.http.get(s3.link(), headers={"If-None-Match": etag})
        assert (answer.status_code, answer.content) == (304, b"")


class TestJudging:
    def test_a_link_ends_on_the_virtual_clock(self, s3: S3) -> None:
        link = s3.link()
        s3.ahead = timedelta(seconds=57)
        assert s3.http.get(link).status_code == 200
        s3.ahead = timedelta(seconds=60)
        answer = s3.http.get(link)
        assert code(answer) == (403, "AccessDenied")
        assert "Request has expired" in answer.text
        assert answer.headers["content-type"] == "application/xml"

    def test_a_link_from_the_future_is_not_yet_valid(self, s3: S3) -> None:
        link = s3.link()
        s3.ahead = timedelta(minutes=-16)
        assert "not yet valid" in s3.http.get(link).text

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("/a/", "/z/"),
            ("X-Amz-Expires=60", "X-Amz-Expires=600"),
            ("X-Amz-Signature=", "X-Amz-Signature=0"),
            ("X-Amz-Signature=", "response-content-type=text%2Fhtml&X-Amz-Signature="),
            ("X-Amz-Signature=", "X-Amz-Signature=%C3%A9"),
        ],
    )
    def test_a_changed_link_is_refused(self, s3: S3, old: str, new: str) -> None:
        assert code(s3.http.get(s3.link().replace(old, new))) == MISMATCH

    def test_a_link_serves_its_own_method_alone(self, s3: S3) -> None:
        assert code(s3.http.put(s3.link(), content=b"x" * 5_000_000)) == MISMATCH
        assert code(s3.http.delete(s3.link())) == MISMATCH

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("X-Amz-Expires=60", "X-Amz-Expires=9999999"),
            ("X-Amz-Expires=60", "X-Amz-Expires=-1"),
            ("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=60"),
            ("%2Fs3%2F", "%2Fsqs%2F"),
            ("X-Amz-Signature=", "Signature="),
            ("X-Amz-Date=2", "X-Amz-Date=x"),
        ],
    )
    def test_a_malformed_link_is_400(self, s3: S3, old: str, new: str) -> None:
        assert s3.http.get(s3.link().replace(old, new)).status_code == 400

    def test_nothing_is_served_without_a_signature(self, s3: S3) -> None:
        assert code(s3.http.get(s3.link().partition("?")[0])) == (403, "AccessDenied")

    def test_an_unknown_key_and_a_wrong_secret_are_refused(self, s3: S3) -> None:
        unknown = s3.link().replace("AKIALASTING", "AKIAUNKNOWN")
        assert code(s3.http.get(unknown)) == (403, "InvalidAccessKeyId")
        forged = s3.link(s3.client(secret="guessed"))
        assert code(s3.http.get(forged)) == MISMATCH

    def test_a_temporary_key_needs_its_own_session_token(self, s3: S3) -> None:
        def status(token: str | None) -> tuple[int, str]:
            return code(s3.http.get(s3.link(s3.client("ASIATEMPORARY", token=token))))

        assert status("the+token/==") == (200, "")
        assert status(None) == (403, "InvalidAccessKeyId")
        assert status("another") == (400, "InvalidToken")
        lasting = s3.link(s3.client("AKIALASTING", token="the+token/=="))
        assert code(s3.http.get(lasting)) == (400, "InvalidToken")

    def test_an_amazon_header_that_was_not_signed_is_refused(self, s3: S3) -> None:
        answer = s3.http.get(s3.link(), headers={"x-amz-meta-a": "1"})
        assert code(answer) == (403, "AccessDenied")


class TestWriting:
    def test_a_presigned_put_fixes_its_content_type(self, s3: S3) -> None:
        link = s3.link(method="put_object", Key="up", ContentType="text/plain")
        wrong = s3.http.put(link, content=b"hi", headers={"Content-Type": "text/html"})
        assert code(wrong) == MISMATCH
        right = s3.http.put(link, content=b"hi", headers={"Content-Type": "text/plain"})
        assert right.status_code == 200
        stored = s3.client().get_object(Bucket="bucket", Key="up")
        assert (stored["Body"].read(), stored["ContentType"]) == (b"hi", "text/plain")

    def test_a_form_is_held_to_its_policy(self, s3: S3) -> None:
        limits = [["content-length-range", 1, 10], ["starts-with", "$key", "in/"]]
        form = s3.client().generate_presigned_post("bucket", "in/f", None, limits, 60)

        def post(data: bytes = b"12345", /, **changed: str) -> tuple[int, str]:
            fields = {**form["fields"], **changed}
            return code(s3.http.post(form["url"], data=fields, files={"file": data}))

        assert post() == (204, "")
        assert s3.client().get_object(Bucket="bucket", Key="in/f")["Body"].read() == b"12345"
        assert post(b"x" * 11) == (400, "EntityTooLarge")
        assert post(b"") == (400, "EntityTooSmall")
        assert post(key="other") == (403, "AccessDenied")
        assert post(acl="public-read") == (403, "AccessDenied")
        assert post(policy=form["fields"]["policy"][:-4] + "AAAA") == MISMATCH
        assert post(policy="")[0] == 403
        s3.ahead = timedelta(seconds=61)
        assert post() == (403, "AccessDenied")

    def test_a_form_without_policy_or_over_16_mb_is_refused(self, s3: S3) -> None:
        url = s3.url + "/bucket"
        assert code(s3.http.post(url, files={"file": b"x"})) == (403, "AccessDenied")
        large = {"file": b"x" * LARGEST_FORM}
        assert code(s3.http.post(url, files=large)) == (400, "EntityTooLarge")


class TestCors:
    def preflight(self, s3: S3, origin: str, method: str, asked: str = "") -> httpx.Response:
        names = {"Origin": origin, "Access-Control-Request-Method": method}
        headers = {**names, "Access-Control-Request-Headers": asked}
        return s3.http.options(s3.link(), headers=headers)

    def test_the_bucket_decides_who_may_ask(self, s3: S3) -> None:
        allowed = self.preflight(s3, "https://app.test", "PUT", "content-type")
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://app.test"
        assert allowed.headers["access-control-max-age"] == "300"
        assert self.preflight(s3, "https://evil.test", "PUT").status_code == 403
        assert self.preflight(s3, "https://app.test", "DELETE").status_code == 403
        assert self.preflight(s3, "https://app.test", "PUT", "x-evil").status_code == 403

    def test_answers_carry_the_headers_for_allowed_origins_only(self, s3: S3) -> None:
        allowed = s3.http.get(s3.link(), headers={"Origin": "https://app.test"})
        assert allowed.headers["access-control-expose-headers"] == "ETag"
        foreign = s3.http.get(s3.link(), headers={"Origin": "https://evil.test"})
        assert "access-control-allow-origin" not in foreign.headers


class TestSharedConnection:
    def test_one_connection_serves_refusals_and_objects_in_turn(self, s3: S3) -> None:
        for _ in range(3):
            assert s3.http.get(s3.link()).status_code == 200
            assert s3.http.get(s3.url + "/bucket/x").status_code == 403
