"""The proof page's board: what the tests and the night found, signed, as it is shown.

Two documents: `proof/ci.json` is put by whoever deploys (infra/operate/proof.py), and
`proof/night.json` by the nightly check. A document that our key did not sign is not shown.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import HOUR
from chalicelib.observability import failure
from chalicelib.privacy.seals import SealInvalid

if TYPE_CHECKING:
    from chalicelib.privacy.seals import Seals
    from chalicelib.storage.objects import Bucket

Json = dict[str, Any]
TESTS, NIGHT = "proof tests", "proof night"
FILES = {TESTS: "proof/ci.json", NIGHT: "proof/night.json"}
STALE = 26 * HOUR
"""A night's figures are stale when the next night should have come."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A document as signed, or None; `broken` where there is one that our key did not sign."""

    body: Json | None
    document: Json | None
    broken: bool = False

    def of(self, name: str, otherwise: Any) -> Any:
        """One of its facts, where there is a document."""
        return (self.body or {}).get(name, otherwise)


class ProofBoard:
    def __init__(self, bucket: Bucket, seals: Seals) -> None:
        self.bucket, self.seals = bucket, seals

    def put_night(self, found: Json) -> None:
        self._put(NIGHT, found)

    def put_tests(self, found: Json) -> None:
        self._put(TESTS, found)

    def tests(self) -> Shown:
        return self._shown(TESTS)

    def night(self) -> Shown:
        return self._shown(NIGHT)

    def _put(self, kind: str, body: Json) -> None:
        document = self.seals.sign(kind, body)
        self.bucket.write(FILES[kind], document, content_type="application/json")

    def _shown(self, kind: str) -> Shown:
        document = self.bucket.find(FILES[kind])
        if document is None:
            return Shown(None, None)
        try:
            return Shown(self.seals.read(kind, document), json.loads(document))
        except SealInvalid as error:
            failure("proof_unsigned", error)
            return Shown(None, None, broken=True)


@cache
def code_hash(root: Path = Path(__file__).parents[2]) -> str:
    """The hash of the program as it runs: by it the tests are known to be of this very program."""
    told = hashlib.sha256()
    files = [root / "app.py", *(root / "chalicelib").rglob("*")]
    for path in sorted(files, key=lambda path: path.relative_to(root).as_posix()):
        if path.is_file() and path.suffix != ".pyc":
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            told.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return told.hexdigest()
