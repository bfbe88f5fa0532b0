"""Nothing is told to a peer that cannot prove who it is: processor, mail, AWS (PS-48)."""

from __future__ import annotations

import re
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.payments.adapter import StripeProcessor
from chalicelib.payments.processor import ProcessorRefused, ProcessorUnavailable
from chalicelib.storage import aws
from tests.peers import FORGED, GOOD, Peer, downgrade, peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# So that a client that checks nothing gets as far as it would outside of tests.
pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")

SOURCE = Path(__file__).parents[2] / "chalicelib"
KEY = "rk_test_zqcanary"
CALLS: dict[str, Callable[[Any], Any]] = {
    "dynamodb": lambda client: client.list_tables(),
    "kms": lambda client: client.list_keys(),
    "s3": lambda client: client.head_bucket(Bucket="mail"),
    "sesv2": lambda client: client.list_email_identities(),
    "sqs": lambda client: client.list_queues(),
    "ssm": lambda client: client.describe_parameters(),
}


@pytest.fixture
def stranger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Peer]:
    """A peer of the kind that the test is about."""
    with peer(request.param, tmp_path) as found:
        yield found


def customer_at(found: Peer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ask the peer for a customer as if it were the processor."""
    monkeypatch.setattr("stripe.ca_bundle_path", str(found.trusted))
    processor = StripeProcessor(KEY, api_base=found.url, origin=found.url, stage="test")
    return processor.create_customer("acc_1", "key_1")


def call(service: str, found: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call of a client as the program makes it, to the peer as if it were AWS."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, found.url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "zqcanary")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(found.trusted))
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    client = aws.client.__wrapped__(service)
    try:
        CALLS[service](client)
    finally:
        client.close()


@pytest.mark.promise("PS-48")
class TestProcessor:
    @pytest.mark.parametrize("stranger", FORGED, indirect=True)
    def test_a_forged_one_is_refused_and_told_nothing(
        self, stranger: Peer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(ProcessorUnavailable):
            customer_at(stranger, monkeypatch)
        assert stranger.heard == []

    @pytest.mark.parametrize("stranger", [GOOD], indirect=True)
    def test_one_that_proves_its_name_is_spoken_to(
        self, stranger: Peer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So that it is the certificate that the others fall by."""
        with pytest.raises(ProcessorRefused):  # its answer is none of a processor
            customer_at(stranger, monkeypatch)
        (said,) = stranger.heard
        assert KEY.encode() in said


@pytest.mark.promise("PS-45")
class TestCloud:
    def test_every_service_that_the_program_calls_is_tried_here(self) -> None:
        named = {
            service
            for path in SOURCE.rglob("*.py")
            for service in re.findall(r'\bclient\("(\w+)"\)', path.read_text())
        }
        assert named == CALLS.keys()

    @pytest.mark.parametrize("stranger", FORGED, indirect=True)
    @pytest.mark.parametrize("service", sorted(CALLS))
    def test_a_forged_one_is_refused_and_told_nothing(
        self, service: str, stranger: Peer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from botocore.exceptions import SSLError

        with pytest.raises(SSLError):
            call(service, stranger, monkeypatch)
        assert stranger.heard == []

    @pytest.mark.parametrize("stranger", [GOOD], indirect=True)
    @pytest.mark.parametrize("service", sorted(CALLS))
    def test_one_that_proves_its_name_is_spoken_to(
        self, service: str, stranger: Peer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call(service, stranger, monkeypatch)
        (said,) = stranger.heard
        assert b"Credential=zqcanary/" in said


@pytest.mark.parametrize("stranger", ["downgraded"], indirect=True)
def test_whoever_wants_an_old_version_of_tls_gets_it_there(stranger: Peer) -> None:
    """So that the downgraded peer is refused for its version."""
    context = ssl.create_default_context(cafile=str(stranger.trusted))
    downgrade(context)
    port = int(stranger.url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as line,
        context.wrap_socket(line, server_hostname="localhost") as tls,
    ):
        assert tls.version() == "TLSv1.1"
        tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert tls.recv(100).startswith(b"HTTP/1.1 200")
