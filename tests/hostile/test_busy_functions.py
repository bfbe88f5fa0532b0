"""Each scheduled function meets a busy table at one call after the other, and ends as ever."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from chalicelib.core.clock import DAY, HOUR
from chalicelib.storage import dynamo
from tests.hostile.due import START, functions, run, run_all
from tests.hostile.test_due_work import DONE, due
from tests.payments.conftest import processor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hostile.due import DueWork

CALLS = (1, 2, 3, 5, 8, 13, 21)
"""Those that are struck: the first, and ever fewer of the later ones."""
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
BUSY = {"Code": "ProvisionedThroughputExceededException", "Message": "busy"}
pytestmark = pytest.mark.guarantee("G12")


def refused(kind: str, action: str) -> ClientError:
    """A transaction tells of a conflict by its reasons, a single write by an error of its own."""
    if kind == "throttle":
        return ClientError({"Error": BUSY}, action)
    if action != "TransactWriteItems":
        return ClientError({"Error": {"Code": "TransactionConflictException"}}, action)
    told: Any = {
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": [{"Code": "TransactionConflict"}],
    }
    return ClientError(told, action)


@contextmanager
def struck(kind: str, nth: int) -> Iterator[list[str]]:
    """The nth call of the kind fails, as often as it is tried again; the list tells of it."""
    stock, seen, times = BaseClient._make_api_call, list[str](), list[str]()
    lasts = dynamo.TRIES if kind == "conflict" else 1

    def call(client: Any, action: str, parameters: Any) -> Any:
        if client.meta.service_model.service_name == "dynamodb" and (
            kind == "throttle" or action in WRITES
        ):
            seen.append(action)
            if nth <= len(seen) < nth + lasts:
                times.append(action)
                raise refused(kind, action)
        return stock(client, action, parameters)

    with patch.object(BaseClient, "_make_api_call", call):
        yield times


@pytest.mark.parametrize("kind", ["throttle", "conflict"])
def test_what_was_struck_anywhere_is_done_by_the_runs_after_it(
    due: DueWork, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamo, "pause", lambda _: None)
    due.clock.now = START + 73 * HOUR
    for _ in range(2):  # what the first puts into the outbox is sent by the second
        met = {function: strikes(function, kind) for function in functions()}
        due.clock.advance(HOUR)
    assert sum(met.values()) > len(met) if kind == "throttle" else any(met.values())
    due.clock.advance(DAY)  # when the accounts are walked again for the policy
    run_all(run)
    run_all(run)
    assert due.left() == DONE


def strikes(function: str, kind: str) -> int:
    """How often it was struck: a run for each call, until one has no such call."""
    for met, nth in enumerate(CALLS):
        with struck(kind, nth) as times, suppress(Exception):
            run(function)
        if not times:
            return met
    return len(CALLS)


__all__ = ["due", "processor"]
