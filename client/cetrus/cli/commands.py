"""The commands, except `run`: each takes the options and the output and gives an exit code."""

from __future__ import annotations

import contextlib
import sys
import webbrowser
from typing import TYPE_CHECKING, Any

from cetrus.cli.output import hours
from cetrus.client import Client
from cetrus.credentials import SignIn
from cetrus.errors import CetrusError, Refused, SignInNeeded, Unreachable
from cetrus.installing import Installer
from cetrus.session import Session
from cetrus.signing_in import begin_sign_in, finish_sign_in
from cetrus.wire import plain

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from cetrus.cli.output import Output

REFUSED = Refused.exit_code
MOST_PAGES = 1000


@contextlib.contextmanager
def open_session(options: Namespace) -> Iterator[Session]:
    session = Session(options.server)
    try:
        yield session
    finally:
        session.close()


def login(options: Namespace, output: Output) -> int:
    with open_session(options) as session:
        if options.license_key:
            _store_license_key(session, options.application)
        else:
            _approve(session, options, output)
    output.say(f"Signed in to {options.application} on this computer.")
    output.result({"signed_in": True, "application": options.application})
    return 0


def _store_license_key(session: Session, application: str) -> None:
    """From standard input, since arguments are visible to other users of the computer."""
    key = sys.stdin.readline().strip()
    if not key:
        raise CetrusError(
            "No license key came on standard input.",
            hint="Pipe the key into the command, or type it and press Enter.",
        )
    session.sign_ins.write(SignIn(application, license_key=key))


def _approve(session: Session, options: Namespace, output: Output) -> None:
    code = begin_sign_in(session, options.application)
    output.say(
        f"To sign in, open {code.verification_uri}\n"
        f"and enter the code {output.strong(code.user_code)}\n"
        f"It is good for {code.expires_in // 60} minutes. Waiting for the approval."
    )
    output.result(
        {
            "user_code": code.user_code,
            "verification_uri": code.verification_uri,
            "verification_uri_complete": code.verification_uri_complete,
            "expires_in": code.expires_in,
        }
    )
    if options.browser:
        webbrowser.open(code.verification_uri_complete)
    finish_sign_in(session, code)


def install(options: Namespace, output: Output) -> int:
    with open_session(options) as session:
        installer = Installer(session)
        credential = session.credential(options.application)
        release = installer.describe(options.application, credential)
        installer.require_known_vendor(options.application, release, new_key=options.vendor_key)
        label = f"{plain(release.name)} {release.version}"
        progress = output.progress(label)
        try:
            installed = installer.install(
                options.application, release, credential, to=options.to, progress=progress
            )
        finally:
            if progress is not None:
                progress.finish()
    output.say(
        f"{label} is installed in {installed.folder}\n"
        f"Its size, checksum and both signatures are right. "
        f"Start it with `cetrus run {options.application}`."
    )
    output.result(
        {
            "application": installed.application,
            "version": installed.version,
            "folder": installed.folder,
            "sha256": installed.sha256,
            "vendor_key": installed.vendor_kid,
        }
    )
    return 0


def check(options: Namespace, output: Output) -> int:
    with open_session(options) as session:
        installed = Installer(session).find(options.application)
        application = installed.application if installed else options.application
        release = installed.version if installed else None
        verdict = Client(application, session=session, signed_in_to=options.application).check(
            release=release, license_id=options.license_id
        )
    answer = "A launch would be allowed" if verdict.valid else "A launch would be refused"
    output.say(f"{answer} now ({verdict.code}). {verdict.detail}".strip())
    for notice in verdict.notices:
        output.say(f"Note: {notice}")
    output.result(
        {
            "valid": verdict.valid,
            "code": verdict.code,
            "detail": verdict.detail,
            "notices": list(verdict.notices),
            "retry_after": verdict.retry_after,
        }
    )
    return 0 if verdict.valid else REFUSED


def usage(options: Namespace, output: Output) -> int:
    with open_session(options) as session:
        rows = _usage_rows(session, options.application or _only_sign_in(session))
    if not rows:
        output.say("Nothing was used yet. Each launch appears here by day.")
    for row in rows:
        output.say(f"{row['day']}  {hours(row['milliseconds']):>20}  {row['application']}")
    total = sum(row["milliseconds"] for row in rows)
    if rows:
        output.say(f"{'In all':<10}  {hours(total):>20}")
    output.result({"items": rows, "milliseconds": total})
    return 0


def _usage_rows(session: Session, application: str) -> list[dict[str, Any]]:
    credential = session.credential(application)
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        body = session.api.usage(credential, cursor)
        items = body.get("items")
        rows += [_usage_row(item) for item in (items if isinstance(items, list) else [])]
        cursor = body["next"] if isinstance(body.get("next"), str) else None
        if cursor is None:
            break
    return rows


def _usage_row(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict) or type(item.get("milliseconds")) is not int:
        raise Unreachable("The usage in the answer cannot be read.")
    texts = {name: plain(item.get(name) or "") for name in ("day", "application", "license")}
    return {**texts, "milliseconds": item["milliseconds"]}


def _only_sign_in(session: Session) -> str:
    """The one application signed in to; usage is the account's, whichever it is."""
    found = [sign_in.application for sign_in in session.sign_ins.all()]
    if not found:
        raise SignInNeeded("Nobody is signed in on this computer.")
    return found[0]


def logout(options: Namespace, output: Output) -> int:
    with open_session(options) as session:
        stored = [sign_in.application for sign_in in session.sign_ins.all()]
        gone = [name for name in stored if options.application in {None, name}]
        for name in gone:
            session.sign_ins.forget(name)
    if gone:
        output.say(
            f"This computer has forgotten its sign-in to {', '.join(gone)}. "
            f"To end it everywhere, sign out everywhere on the account page."
        )
    else:
        output.say("Nobody was signed in on this computer.")
    output.result({"signed_out": gone})
    return 0
