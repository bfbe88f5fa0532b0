"""The part of the composition root that makes what looks after the ledger and the proof page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.settings import settings

if TYPE_CHECKING:
    from chalicelib.privacy.heads import HeadMaker, Heads
    from chalicelib.privacy.night import NightCheck
    from chalicelib.privacy.proof import ProofBoard


def heads() -> Heads:
    from chalicelib.privacy.heads import Heads
    from chalicelib.storage.aws import client
    from chalicelib.storage.objects import Bucket

    bucket = Bucket(client("s3"), settings().heads_bucket)
    return Heads(bucket, wiring.accounts_table(), wiring.seals())


def head_maker() -> HeadMaker:
    from chalicelib.privacy.heads import HeadMaker
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.published import first_versions

    return HeadMaker(heads(), Ledger(wiring.accounts_table()), first_versions(), wiring.now)


def proof_board() -> ProofBoard:
    from chalicelib.privacy.proof import ProofBoard
    from chalicelib.storage.aws import client
    from chalicelib.storage.objects import Bucket

    bucket = Bucket(client("s3"), settings().proof_bucket)
    return ProofBoard(bucket, wiring.seals())


def night_check() -> NightCheck:
    from chalicelib.privacy.live import live
    from chalicelib.privacy.night import NightCheck
    from chalicelib.privacy.proof import code_hash

    looked_at = live(
        heads(), wiring.accounts_table(), wiring.keys_table(), wiring.visitor_logs(),
        wiring.published(), wiring.times(), wiring.account_store().listed_active,
        wiring.visit_store().looked,
    )  # fmt: skip
    return NightCheck(looked_at, proof_board(), code_hash(), wiring.now)
