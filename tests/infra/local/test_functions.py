"""Functions run from the zip alone, under their own roles, on the shared clock."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.cloud import Cloud, InvocationError

from .conftest import call, put

if TYPE_CHECKING:
    from collections.abc import Callable


class TestWorkers:
    def test_see_the_zip_and_none_of_our_packages(self, cloud: Cloud) -> None:
        names = ["boto3", "argon2", "moto", "pytest", "infra", "werkzeug", "pydantic", "chalice"]
        answer = cloud.invoke("probe", {"do": "import", "names": names})
        assert answer["found"] == ["boto3", "argon2"]
        assert not [path for path in answer["path"] if "site-packages" in path]
        assert not [name for name in answer["environment"] if name.startswith("LOCAL_")]

    def test_are_reused_while_idle_and_added_while_busy(self, cloud: Cloud) -> None:
        one = cloud.invoke("probe", {"do": "time"})["pid"]
        assert cloud.invoke("probe", {"do": "time"})["pid"] == one
        started = time.monotonic()
        threads = [
            threading.Thread(target=cloud.invoke, args=("probe", {"do": "sleep", "seconds": 1}))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started < 2.9

    def test_get_what_the_stack_resolved(self, cloud: Cloud) -> None:
        environment = cloud.function_environment("probe")
        assert environment["THINGS"] == cloud.physical["Things"] == cloud.outputs["Name"]
        assert environment["NESTED"] == "box-123456789012-eu-west-1"

    def test_act_as_their_own_role(self, cloud: Cloud) -> None:
        identity = call(cloud, "sts", "get_caller_identity")
        assert f":assumed-role/{cloud.physical['ProbeRole']}/" in identity["Arn"]

    def test_answer_within_milliseconds_when_warm(self, cloud: Cloud) -> None:
        cloud.invoke("probe", {"do": "time"})
        started = time.monotonic()
        for _ in range(50):
            cloud.invoke("probe", {"do": "time"})
        assert (time.monotonic() - started) / 50 < 0.02


class TestFailures:
    def failed(self, cloud: Cloud, function: str, event: Any) -> dict[str, Any]:
        with pytest.raises(InvocationError) as caught:
            cloud.invoke(function, event)
        return caught.value.payload

    def test_an_exception_is_answered_as_lambda_does(self, cloud: Cloud) -> None:
        payload = self.failed(cloud, "probe", {"do": "nonsense"})
        assert (payload["errorType"], payload["errorMessage"]) == ("ValueError", "cannot nonsense")
        assert cloud.invoke("probe", {"do": "time"})["pid"]

    def test_a_missing_handler_is_an_init_error(self, cloud: Cloud) -> None:
        assert self.failed(cloud, "missing", {})["errorType"] == "Runtime.HandlerNotFound"

    def test_a_process_that_ends_fails_its_invocation_alone(self, cloud: Cloud) -> None:
        assert self.failed(cloud, "probe", {"do": "exit"})["errorType"] == "Runtime.ExitError"
        assert cloud.invoke("probe", {"do": "time"})["pid"]

    def test_a_function_is_ended_after_its_timeout(self, cloud: Cloud) -> None:
        started = time.monotonic()
        payload = self.failed(cloud, "hasty", {"do": "sleep", "seconds": 30})
        assert "timed out after 1.00 seconds" in payload["errorMessage"]
        assert time.monotonic() - started < 4
        assert cloud.invoke("hasty", {"do": "time"})["pid"]

    def test_an_answer_over_six_megabytes_is_refused(self, cloud: Cloud) -> None:
        payload = self.failed(cloud, "probe", {"do": "big", "size": 6 * 1024 * 1024 + 1})
        assert payload["errorType"] == "Function.ResponseSizeTooLarge"


def soon(look: Callable[[], list[Any]]) -> list[Any]:
    """What it finds within five seconds: lines come through a pipe, a moment after the answer."""
    end = time.monotonic() + 5
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


class TestLogs:
    def test_hold_what_a_function_prints(self, cloud: Cloud) -> None:
        cloud.invoke("probe", {"do": "print", "text": "a line of its own"})
        cloud.invoke("probe", {"do": "time"})
        line = soon(
            lambda: [row for row in cloud.logs("probe") if row["line"] == "a line of its own"]
        )[0]
        assert line["function"] == "probe"
        assert line["request_id"]

    def test_belong_to_their_function(self, cloud: Cloud) -> None:
        assert {row["function"] for row in cloud.logs("probe")} == {"probe"}


class TestRoles:
    def test_an_action_that_was_not_granted_is_denied(self, cloud: Cloud) -> None:
        table = cloud.physical["Things"]
        answer = call(cloud, "dynamodb", "describe_table", TableName=table)
        assert answer["error"] == "AccessDeniedException"
        assert cloud.judge.refusals[-1][1].action == "dynamodb:DescribeTable"

    def test_a_granted_action_on_another_resource_is_denied(self, cloud: Cloud) -> None:
        dead = cloud.physical["WorkDlq"]
        refused = call(cloud, "sqs", "send_message", QueueUrl=dead, MessageBody="x")
        assert refused["error"] == "AccessDeniedException"

    def test_each_item_of_a_transaction_needs_its_permission(self, cloud: Cloud) -> None:
        items = [
            {
                "Put": {
                    "TableName": cloud.physical["Things"],
                    "Item": {"pk": {"S": "t"}, "sk": {"S": "1"}},
                }
            },
            {"Put": {"TableName": "other", "Item": {"pk": {"S": "t"}, "sk": {"S": "2"}}}},
        ]
        answer = call(cloud, "dynamodb", "transact_write_items", TransactItems=items)
        assert answer["error"] == "AccessDeniedException"
        assert "table/other" in answer["text"]

    def test_an_index_is_a_resource_of_its_own(self, cloud: Cloud) -> None:
        query = {
            "TableName": cloud.physical["Things"],
            "KeyConditionExpression": "g = :g",
            "ExpressionAttributeValues": {":g": {"S": "x"}},
        }
        assert "error" not in call(cloud, "dynamodb", "query", IndexName="by-g", **query)
        other = call(cloud, "dynamodb", "query", IndexName="by-h", **query)
        assert other["error"] == "AccessDeniedException"

    def test_that_an_object_is_absent_is_told_to_who_may_list_the_bucket(
        self, cloud: Cloud
    ) -> None:
        shelf = cloud.physical["Shelf"]
        assert call(cloud, "s3", "get_object", Bucket=shelf, Key="none")["error"] == "NoSuchKey"

    def test_an_absent_object_is_forbidden_to_who_may_not_list_the_bucket(
        self, cloud: Cloud
    ) -> None:
        box = cloud.physical["Box"]
        assert call(cloud, "s3", "get_object", Bucket=box, Key="none")["error"] == "AccessDenied"

    def test_leading_keys_are_judged(self, cloud: Cloud) -> None:
        assert put(cloud, "CLOSED#1")["error"] == "AccessDeniedException"
        assert "error" not in put(cloud, "OPEN#1")
        query = {
            "TableName": cloud.physical["Things"],
            "KeyConditionExpression": "#p = :p",
            "ExpressionAttributeNames": {"#p": "pk"},
            "ExpressionAttributeValues": {":p": {"S": "CLOSED#1"}},
        }
        assert call(cloud, "dynamodb", "query", **query)["error"] == "AccessDeniedException"

    @pytest.mark.parametrize(
        ("context", "allowed"),
        [({"purpose": "account"}, True), ({"purpose": "other"}, False), ({}, False)],
    )
    def test_the_encryption_context_is_judged(
        self, cloud: Cloud, context: dict[str, str], allowed: bool
    ) -> None:
        key = cloud.physical["Vault"]
        answer = call(
            cloud, "kms", "encrypt", KeyId=key, Plaintext={"b": "x"}, EncryptionContext=context
        )
        assert ("error" not in answer) == allowed

    def test_a_key_policy_binds_the_operator_too(self, cloud: Cloud) -> None:
        kms, key = cloud.client("kms"), cloud.physical["Vault"]
        with pytest.raises(kms.exceptions.ClientError, match="AccessDenied"):
            kms.encrypt(KeyId=key, Plaintext=b"x")
        assert kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"purpose": "any"})

    def test_what_a_table_refuses_to_all_no_role_can_grant(self, cloud: Cloud) -> None:
        table, dynamodb = cloud.physical["Things"], cloud.client("dynamodb")
        assert call(cloud, "dynamodb", "scan", TableName=table)["error"] == "AccessDeniedException"
        with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
            dynamodb.scan(TableName=table)

    def test_the_sender_of_mail_is_judged(self, cloud: Cloud) -> None:
        raw = "From: other@cetrus.test\r\nTo: a@b.c\r\nSubject: x\r\n\r\nhello"
        refused = call(cloud, "sesv2", "send_email", Content={"Raw": {"Data": {"b": raw}}})
        assert refused["error"] == "AccessDeniedException"

    def test_unknown_credentials_are_refused(self, cloud: Cloud) -> None:
        import boto3

        stranger = boto3.client(
            "sqs",
            endpoint_url=cloud.url,
            region_name="eu-west-1",
            aws_access_key_id="AKIASTRANGER00000000",
            aws_secret_access_key="x",
        )
        with pytest.raises(stranger.exceptions.ClientError, match="UnrecognizedClient"):
            stranger.list_queues()


class TestReports:
    def test_password_hashes_are_calls_of_argon2(self, cloud: Cloud) -> None:
        before = len(cloud.calls())
        assert cloud.invoke("probe", {"do": "hash"}) is True
        new = [(row["service"], row["action"], row["function"]) for row in cloud.calls(before)]
        assert new == [("argon2", "hash", "probe"), ("argon2", "verify", "probe")]

    def test_requests_elsewhere_are_recorded_whole_but_for_credentials(self, cloud: Cloud) -> None:
        import http.server

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        url = f"http://127.0.0.1:{server.server_port}/v1/charges?x=1"
        assert cloud.invoke("probe", {"do": "request", "url": url}) == 204
        server.shutdown()
        server.server_close()
        (seen,) = cloud.requests()
        assert (seen["function"], seen["method"], seen["url"]) == ("probe", "POST", url)
        assert seen["body"] == '{"card": "none"}'
        assert "Authorization" not in seen["headers"]
