"""The commands, except `run`: each takes the options and the output and gives an exit code."""

from __future__ import annotations

import sys
import webbrowser
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cetrus.cli.output import hours
from cetrus.cli.sessions import open_session
from cetrus.client import Client
from cetrus.credentials import SignIn
from cetrus.errors import CetrusError, Refused, SignInNeeded, Unreachable
from cetrus.installed import Shelf
from cetrus.names import aliases, find_id
from cetrus.signing_in import begin_sign_in, finish_sign_in
from cetrus.updates import Updates
from cetrus.wire import VERSION, plain

if TYPE_CHECKING:
    from argparse import Namespace

    from cetrus.cli.output import Output
    from cetrus.leases import Verdict
    from cetrus.session import Session

MOST_PAGES = 1000
CLOCK_TOLD_S = 60


def login(options: Namespace, output: Output) -> int:
    with open_session(options) as session:
        if options.license_key:
            _store_license_key(session, options.application)
        else:
            _approve(session, options, output)
        session.remember_server()
        # Its id, so that the sign-in serves the application under both of its names.
        find_id(session, options.application, session.credential(options.application))
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
        f"The page asks about the computer {session.computer.name}.\n"
        f"It is good for {code.expires_in // 60} minutes. Waiting for the approval."
    )
    output.result(
        {
            "user_code": code.user_code,
            "verification_uri": code.verification_uri,
            "verification_uri_complete": code.verification_uri_complete,
            "expires_in": code.expires_in,
            "computer": session.computer.name,
        }
    )
    if options.browser:
        webbrowser.open(code.verification_uri_complete)
    finish_sign_in(session, code)


def check(options: Namespace, output: Output) -> int:
    with open_session(options) as session:
        installed = Shelf(session.folder).find(options.application)
        application = installed.application if installed else options.application
        release = installed.version if installed else None
        verdict = Client(application, session=session, signed_in_to=options.application).check(
            release=release, license_id=options.license_id
        )
    _say_verdict(verdict, output)
    output.result(
        {
            "valid": verdict.valid,
            "code": verdict.code,
            "detail": verdict.detail,
            "notices": list(verdict.notices),
            "retry_after": verdict.retry_after,
            "offer": asdict(verdict.offer) if verdict.offer else None,
        }
    )
    return 0 if verdict.valid else Refused(verdict.code, verdict.detail).exit_code


def _say_verdict(verdict: Verdict, output: Output) -> None:
    answer = "A launch would be allowed" if verdict.valid else "A launch would be refused"
    # That it is valid was just said.
    detail = "" if verdict.code == "VALID" else verdict.detail
    output.say(f"{answer} now ({verdict.code}). {detail}".strip())
    if verdict.offer is not None:
        output.say(verdict.offer.cost)
    for notice in verdict.notices:
        output.say(f"Note: {notice}")
    if not verdict.valid:
        refused = Refused(verdict.code, verdict.detail, retry_after=verdict.retry_after)
        output.say(refused.hint)


def usage(options: Namespace, output: Output) -> int:
    with open_session(options) as session:
        names = [options.application] if options.application else _sign_ins(session)
        rows, left_out = _usage_of(session, names)
    if not rows:
        output.say("Nothing was used yet. Each launch appears here some minutes after it ends.")
    for row in rows:
        plan = f", {row['plan']}" if row["plan"] else ""
        output.say(f"{row['day']}  {hours(row['milliseconds']):>20}  {row['name']}{plan}")
    total = sum(row["milliseconds"] for row in rows)
    if rows:
        output.say(f"{'In all':<10}  {hours(total):>20}")
    for name in left_out:
        output.say(f"Without {name}: its sign-in has ended. Run `cetrus login {name}`.")
    output.result({"items": rows, "milliseconds": total, "left_out": left_out})
    return 0


def _usage_of(session: Session, names: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Their days, each once, and the names whose sign-in has ended; SignInNeeded if all have."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    left_out = []
    for name in names:
        try:
            rows = _usage_rows(session, name)
        except SignInNeeded:
            left_out.append(name)
            if len(left_out) == len(names):
                raise
            continue
        # A sign-in and a license key may speak for the same license.
        found |= {(row["day"], row["name"], row["license"]): row for row in rows}
    return [found[key] for key in sorted(found)], left_out


def _usage_rows(session: Session, application: str) -> list[dict[str, Any]]:
    credential = session.credential(application)
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        body = session.api.usage(credential, cursor)
        items, names = body.get("items"), body.get("names")
        known = names if isinstance(names, dict) else {}
        rows += [_usage_row(item, known) for item in (items if isinstance(items, list) else [])]
        cursor = body["next"] if isinstance(body.get("next"), str) else None
        if cursor is None:
            break
    return rows


def _usage_row(item: Any, names: dict[str, Any]) -> dict[str, Any]:
    """With the names of application and plan; the id of what has no name."""
    if not isinstance(item, dict) or type(item.get("milliseconds")) is not int:
        raise Unreachable("The usage in the answer cannot be read.")
    texts = {name: plain(item.get(name) or "") for name in ("day", "application", "license")}
    named = {
        "name": plain(names.get(texts["application"]) or texts["application"]),
        "plan": plain(names.get(texts["license"]) or ""),
    }
    return {**texts, **named, "milliseconds": item["milliseconds"]}


def _sign_ins(session: Session) -> list[str]:
    """All applications signed in to: a sign-in speaks for the licenses of its own alone."""
    found = [sign_in.application for sign_in in session.sign_ins.all()]
    if not found:
        raise SignInNeeded("Nobody is signed in on this computer.")
    return found


def logout(options: Namespace, output: Output) -> int:
    with open_session(options) as session:
        stored = [sign_in.application for sign_in in session.sign_ins.all()]
        names = aliases(session, options.application) if options.application else stored
        gone = [name for name in stored if name in names]
        for name in gone:
            session.sign_ins.forget(name)
    if gone:
        output.say(
            f"This computer has forgotten its sign-in to {', '.join(gone)}. "
            f"To end it everywhere, sign out everywhere on the account page."
        )
    else:
        whom = f" to {options.application}" if options.application else ""
        output.say(f"Nobody was signed in{whom} on this computer.")
    output.result({"signed_out": gone})
    return 0


def status(options: Namespace, output: Output) -> int:
    """What this computer knows, and whether the server answers; signs in nowhere, costs nothing."""
    with open_session(options) as session:
        server = _server_status(session)
        applications = [_application_status(session, name) for name in _known_names(session)]
        computer = session.computer.name
    output.say(f"cetrus {VERSION}, server {session.server}: {server['says']}")
    output.say(f"This computer: {computer}")
    for found in applications:
        output.say(_status_line(found))
    if not applications:
        output.say(
            "Nothing is installed here, and nobody is signed in. "
            "Begin with `cetrus login APPLICATION`."
        )
    output.result(
        {
            "version": VERSION,
            "server": session.server,
            "computer": computer,
            "reached": server["reached"],
            "clock_behind_s": server["clock_behind_s"],
            "applications": applications,
        }
    )
    return 0


def _server_status(session: Session) -> dict[str, Any]:
    try:
        behind = session.api.clock_behind()
    except CetrusError as error:
        return {"reached": False, "clock_behind_s": None, "says": f"not reached. {error.detail}"}
    says = "reached"
    if abs(behind or 0) > CLOCK_TOLD_S:
        way = "behind" if (behind or 0) > 0 else "ahead of"
        says += f"; the clock of this computer is {abs(behind or 0) / 60:.0f} minutes {way} it"
    return {"reached": True, "clock_behind_s": behind, "says": says}


def _known_names(session: Session) -> list[str]:
    """Installed or signed in to, each once, under the name that was typed."""
    installed = [found.asked for found in Shelf(session.folder).all()]
    signed_in = [found.application for found in session.sign_ins.all()]
    rest = [n for n in signed_in if not aliases(session, n).intersection(installed)]
    return [*installed, *rest]


def _application_status(session: Session, name: str) -> dict[str, Any]:
    installed = Shelf(session.folder).find(name)
    return {
        "application": name,
        "installed": installed.version if installed else None,
        "folder": installed.folder if installed else None,
        "update": Updates(session).known(installed) if installed else None,
        "signed_in": session.signed_in_as(name) is not None,
    }


def _status_line(found: dict[str, Any]) -> str:
    parts = [f"{found['installed']} installed" if found["installed"] else "not installed"]
    if found["update"]:
        parts.append(f"{found['update']} is out")
    parts.append("signed in" if found["signed_in"] else "not signed in")
    return f"{found['application']}: {', '.join(parts)}"
