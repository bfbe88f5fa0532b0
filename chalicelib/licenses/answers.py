"""Verdicts as programs get them: JSON, with whatever must hold signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import SECOND, to_text
from chalicelib.licenses import leases, screens
from chalicelib.licenses.verdicts import DETAILS

if TYPE_CHECKING:
    from chalicelib.core.clock import Clock
    from chalicelib.core.signing import Claims, Jwk
    from chalicelib.licenses.leases import Leases, Question
    from chalicelib.licenses.values import Head, Room, Screen
    from chalicelib.licenses.verdicts import Verdict

    Answer = dict[str, Any]


class Answers:
    def __init__(self, signed: Leases, clock: Clock) -> None:
        self.signed, self.clock = signed, clock

    def check(self, verdict: Verdict) -> Answer:
        answer = self._plain(verdict)
        if verdict.valid and verdict.head:
            answer["quote"] = offer(verdict.head, verdict.room)
        return answer

    def launch(self, verdict: Verdict, question: Question, jwk: Jwk) -> Answer:
        """The lease with its screen and quote, or the signed refusal."""
        if not (verdict.valid and verdict.lease and verdict.head and verdict.screen):
            return self._refused(verdict, question)
        return {
            **self._plain(verdict),
            "lease": self.signed.sign(verdict.lease, verdict.head, jwk),
            "screen": screen(verdict.screen),
            "quote": {**leases.quote(verdict.lease), **words(verdict.head, verdict.room)},
        }

    def heartbeat(self, verdict: Verdict, question: Question, claims: Claims) -> Answer:
        if not (verdict.valid and verdict.lease):
            return self._refused(verdict, question)
        return {
            **self._plain(verdict),
            "lease": self.signed.renew(claims, verdict.lease),
            "quote": leases.quote(verdict.lease),
        }

    def end(self, verdict: Verdict, question: Question, claims: Claims) -> Answer:
        if verdict.interval is None:
            return self._refused(verdict, question)
        receipt = self.signed.receipt(claims, verdict.interval)
        detail = "The lease has ended."
        return {**self._plain(verdict), "detail": detail, "receipt": receipt}

    def _refused(self, verdict: Verdict, question: Question) -> Answer:
        answer = self._plain(verdict)
        told = {name: answer[name] for name in ("notices", "retry_after") if name in answer}
        return {**answer, "verdict": self.signed.refusal(verdict, question, self.clock(), **told)}

    def _plain(self, verdict: Verdict) -> Answer:
        answer: Answer = {
            "valid": verdict.valid,
            "code": str(verdict.code),
            "detail": verdict.detail,
            "notices": [{"code": str(c), "detail": DETAILS[c]} for c in verdict.notices],
        }
        if verdict.retry_at is not None:
            answer["retry_after"] = max(1, -(-(verdict.retry_at - self.clock()) // SECOND))
        return answer


def screen(shown: Screen) -> dict[str, str]:
    return {
        "id": shown.id, "sha256": shown.sha256, "title": shown.title, "body": shown.body,
    }  # fmt: skip


def offer(head: Head, room: Room | None) -> Claims:
    """What a launch would be quoted."""
    terms = head.terms
    return {
        "rate": terms.rate, "per": "hour", "currency": head.currency, "terms": terms.version,
        "free_ms": terms.free_ms, **words(head, room),
    }  # fmt: skip


def words(head: Head, room: Room | None) -> Claims:
    """The kind of plan, and what this start costs under it, in words that a person reads."""
    ends_at = to_text(head.ends_at) if head.ends_at is not None else None
    return {"kind": head.terms.kind, "cost": screens.cost(head, room), "ends_at": ends_at}
