"""What a mail that reaches us says of itself, and whether the mail service vouches for its sender.

Pure: bytes in, a value out.

The mail service writes its verdicts on top of the mail, under its own name. Whatever a sender
wrote under that name stands below, and is not looked at.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.parser import BytesParser
from email.policy import default
from typing import TYPE_CHECKING, Any

from chalicelib.cases.rules import Kind
from chalicelib.mail.letters import STOP

if TYPE_CHECKING:
    from email.message import EmailMessage

AUTHORITY = "amazonses.com"
UNSUBSCRIBE = re.compile(rf"{STOP}\s+([A-Za-z0-9_-]{{43}})", re.IGNORECASE)
REMOVE = re.compile(r"(?<![^\W_])remove(?![^\W_])")
PREFIX = re.compile(
    r"(re|r|i|fwd?|aw|wg|antw|sv|vs|vb|rif|res|enc|tr|rv|odp|pd|ynt|ilt|回复|转发|回覆|轉寄|oтв|השב|הועבר)"
    r"\s*(\[\d+\])?\s*:\s*"
)
"""What mail programs put before the subject of a reply or a forward, after `plain`."""
WORD = re.compile(r"[^\W_]+")
MANNERS = frozenset(
    {"remove", "unsubscribe", "me", "please", "pls", "kindly", "thanks", "thank", "you"}
)  # fmt: skip
LOOKALIKES = str.maketrans("еомѵεομν", "eomveomv")  # Cyrillic and Greek
UNSEEN = frozenset({"Cf", "Mn", "Me"})
ASKS = re.compile(
    r"\b(delet(e|ed|ion)|eras(e|ed|ure)|forget|correct(ion|ed)?|rectif(y|ication)|amend|gdpr|"
    r"my data|personal (data|information)|data protection)\b"
)
ABOUT_THEM = re.compile(r"\b(account|profile|data|details|information)\b")
SECURITY = re.compile(
    r"\b(security|vulnerabilit(y|ies)|breach|phish(ing|ed)?|hack(ed|er)?|exploit|malware|leak(ed)?)\b"
)
CONCERN = re.compile(r"\b(complain(t|ts)?|privacy|abuse|concern(s|ed)?|violat(es?|ion))\b")
BULK = re.compile(r"(bulk|junk|list|auto_reply)\b")
OF_LISTS = (
    "list-id", "list-post", "list-unsubscribe", "list-help", "list-owner", "list-subscribe",
    "list-archive",
)  # fmt: skip
OF_MACHINES = ("x-autoreply", "x-autorespond", "x-failed-recipients")
SUPPRESSED = re.compile(r"\b(all|oof|autoreply)\b")
REPORT = re.compile(r"multipart/report\b|message/(delivery-status|disposition-notification)\b")
MACHINE = re.compile(
    r"mailer-daemon|postmaster|listserv|majordomo|(do-?not|no)[-_.]?reply|bounces?([-+=].*)?"
)
NOBODY = re.compile(r"<\s*>|$")
RESULTS = "authentication-results"
DMARC = re.compile(r";\s*dmarc=pass\b[^;]*?\bheader\.from=\"?([a-z0-9.-]+)")
AGAINST = re.compile(r"\b(spf|dkim)\s*=\s*(soft)?fail\b|\bdmarc\s*=(?!\s*none\b)")
"""A check that failed. Of DMARC any verdict but that the domain has no policy: a pass that proves
nothing is of another domain, or was smuggled in."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """`sender` is the address that it claims to be from, `subject` its words in small letters.

    `stops` is the token of a mail that a mail program wrote to end notices; "" in other mail.
    `automatic` mail was written by a machine or came by a list: it is never answered. `proven`
    says that the sender's domain vouches for it (DMARC), and that nothing else failed; `doubted`
    that something speaks against it. What is neither comes from a domain that says nothing.
    """

    sender: str = field(repr=False)
    subject: str = field(repr=False)
    stops: str = field(default="", repr=False)
    automatic: bool = False
    proven: bool = False
    doubted: bool = False

    @property
    def asks_removal(self) -> bool:
        """Whether REMOVE is a word of the subject, however it was replied to or forwarded."""
        return REMOVE.search(self.subject) is not None

    @property
    def says_remove_alone(self) -> bool:
        """Whether that is all it says: with any other word it may be a question, or a wish."""
        rest = self.subject
        while prefix := PREFIX.match(rest):
            rest = rest[prefix.end() :]
        return self.asks_removal and MANNERS.issuperset(WORD.findall(rest))

    @property
    def kind(self) -> Kind:
        """What it is about, as far as a machine can tell; in doubt what is due first."""
        theirs = ABOUT_THEM.search(self.subject)
        if ASKS.search(self.subject) or (self.asks_removal and theirs):
            return Kind.DATA
        if SECURITY.search(self.subject):
            return Kind.SECURITY
        return Kind.CONCERN if CONCERN.search(self.subject) else Kind.SUPPORT


def read(raw: bytes) -> Incoming:
    """As much as can be read; an unreadable header counts as empty, and the text is not read."""
    mail: EmailMessage = BytesParser(policy=default).parsebytes(raw, headersonly=True)
    senders = getattr(header(mail, "From"), "addresses", ())
    sender = senders[0].addr_spec if senders else ""
    subject = str(header(mail, "Subject") or "")
    stops = UNSUBSCRIBE.fullmatch(subject.strip())
    names = [name.lower() for name, _ in mail.raw_items()]
    alone = len(senders) == 1 and names.count("from") == 1
    verdicts = first_verdicts(mail)
    proven = alone and vouched(verdicts, sender)
    doubted = not proven and (not alone or AGAINST.search(verdicts) is not None)
    return Incoming(
        sender, plain(subject), stops[1] if stops else "", is_automatic(mail, sender), proven,
        doubted,
    )  # fmt: skip


def header(mail: EmailMessage, name: str) -> Any:
    """The header decoded; None where there is none, or none that can be read."""
    try:
        return mail[name]
    except (HeaderParseError, ValueError, LookupError, AttributeError, TypeError):
        return None  # the parser of the standard library trips over some hostile headers


def plain(text: str) -> str:
    """Small letters of one width, without what is not seen, lookalikes and doubled spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    seen = "".join(c for c in folded if unicodedata.category(c) not in UNSEEN)
    return " ".join(seen.translate(LOOKALIKES).split())


def is_automatic(mail: EmailMessage, sender: str) -> bool:
    """Whether an answer could come back for ever, or to people who never wrote (RFC 3834)."""
    return (
        any(value.split(";")[0].strip() != "no" for value in values(mail, "auto-submitted"))
        or any(map(BULK.match, values(mail, "precedence")))
        or any(map(SUPPRESSED.search, values(mail, "x-auto-response-suppress")))
        or any(values(mail, name) for name in (*OF_LISTS, *OF_MACHINES))
        or any(map(NOBODY.match, values(mail, "return-path")))
        or any(map(REPORT.match, values(mail, "content-type")))
        or MACHINE.fullmatch(sender.rpartition("@")[0].lower()) is not None
    )


def values(mail: EmailMessage, name: str) -> list[str]:
    """Each header of the name, unfolded, in small letters: what a parser trips over counts too."""
    found = (str(value) for key, value in mail.raw_items() if key.lower() == name)
    return [" ".join(value.lower().split()) for value in found]


def first_verdicts(mail: EmailMessage) -> str:
    """The topmost verdicts."""
    return next(iter(values(mail, RESULTS)), "")


def vouched(verdicts: str, sender: str) -> bool:
    """Whether the mail service says that the sender's own domain vouches for the mail.

    A second verdict of one kind can only be one that a sender smuggled in: then nothing is.
    """
    server, _, results = verdicts.partition(";")
    passed = DMARC.search(f";{results}")
    return (
        server.strip() == AUTHORITY
        and len(re.findall(r"\bdmarc\s*=", verdicts)) == 1
        and not re.search(r"\b(spf|dkim)\s*=\s*fail\b", verdicts)
        and passed is not None
        and passed[1].rstrip(".") == sender.rpartition("@")[2].lower()
    )
