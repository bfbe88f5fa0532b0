"""The proof page's board: what the tests and the night found, signed, as it is shown.

Two documents: `proof/ci.json` is put at the end of a deployment (infra/operate/proof.py), and
`proof/night.json` by the nightly check. A document that our key did not sign is not shown.
Sentences and promises are shown in parts, one a section of the statement.
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
from chalicelib.privacy.promises import promises
from chalicelib.privacy.seals import SealInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.privacy.seals import Seals
    from chalicelib.privacy.statement import Sentence, Statement
    from chalicelib.storage.objects import Bucket

Json = dict[str, Any]
TESTS, NIGHT = "proof tests", "proof night"
FILES = {TESTS: "proof/ci.json", NIGHT: "proof/night.json"}
UNNAMED = "unnamed"
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


@dataclass(frozen=True, slots=True)
class Part:
    """What one page of proof shows: sentences, and the promises that they make, each once."""

    id: str
    title: str
    sentences: tuple[Sentence, ...]
    promises: tuple[str, ...]


def parts(statement: Statement) -> dict[str, Part]:
    """The sections of a statement, and one more of the promises that no sentence of it names."""
    found = {
        section.id: Part(section.id, section.title, section.sentences, made(section.sentences))
        for section in statement.sections
    }
    unnamed = promises().keys() - made(statement.sentences().values())
    if unnamed:
        rest = tuple(promise for promise in promises() if promise in unnamed)
        found[UNNAMED] = Part(UNNAMED, "Named by no sentence", (), rest)
    return found


def made(sentences: Iterable[Sentence]) -> tuple[str, ...]:
    """The promises that these sentences make, in their order."""
    return tuple(dict.fromkeys(promise for each in sentences for promise in each.keeps))


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
