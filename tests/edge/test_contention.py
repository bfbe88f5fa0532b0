"""What fails for a moment is our trouble for a moment, and is said so: 503, not 500."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from chalicelib import wiring
from chalicelib.storage.dynamo import Contended
from tests.browser import Browser

if TYPE_CHECKING:
    from tests.conftest import Tables


def refusal(code: str, status: int = 400, **more: Any) -> ClientError:
    answer: Any = {
        "Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more
    }  # fmt: skip
    return ClientError(answer, "Query")


CANCELED = "TransactionCanceledException"
FOR_NOW = {
    "throttled": refusal("ProvisionedThroughputExceededException"),
    "transaction": refusal(CANCELED, CancellationReasons=[{"Code": "ThrottlingError"}]),
    "failed": refusal("InternalServerError", 500),
    "unnamed": refusal("Unknown", 503),
    "connecting": ConnectTimeoutError(endpoint_url="https://dynamodb.test"),
    "reading": ReadTimeoutError(endpoint_url="https://dynamodb.test"),
}
FOR_GOOD = {
    "denied": refusal("AccessDeniedException"),
    "invalid": refusal("ValidationException"),
    "canceled": refusal(CANCELED, CancellationReasons=[{"Code": "ValidationError"}]),
    "ours": KeyError("name"),
}


def test_a_contended_table_is_unavailable(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    def contended(*_: object) -> NoReturn:
        raise Contended("accounts")

    monkeypatch.setattr(wiring.catalog().store, "listed", contended)
    answer = Browser().get("/apps")
    assert answer.status == 503
    assert "Not available just now" in answer.words


@pytest.mark.parametrize(
    ("problem", "status"),
    [*((p, 503) for p in FOR_NOW.values()), *((p, 500) for p in FOR_GOOD.values())],
    ids=[*FOR_NOW, *FOR_GOOD],
)
def test_only_what_may_pass_by_itself_says_come_back(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, problem: Exception, status: int
) -> None:
    def failing(*_: object) -> NoReturn:
        raise problem

    monkeypatch.setattr(wiring.catalog().store, "listed", failing)
    answer = Browser().get("/apps")
    assert answer.status == status
    assert ("retry-after" in {name.lower() for name in answer.headers}) == (status == 503)
