"""The commands that bring releases onto this computer, replace them and go back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cetrus.cli.sessions import open_session
from cetrus.downloads import verify_bytes
from cetrus.errors import CetrusError, NotInstalled
from cetrus.installing import Installer
from cetrus.updates import Updates
from cetrus.versions import is_newer

if TYPE_CHECKING:
    from argparse import Namespace

    from cetrus.cli.output import Output
    from cetrus.installed import Installed
    from cetrus.releases import Release
    from cetrus.session import Session


def install(options: Namespace, output: Output) -> int:
    with open_session(options) as session:
        credential = session.credential(options.application)
        release = Installer(session).describe(options.application, credential)
        Installer(session).require_acceptable(
            options.application,
            release,
            new_key=options.vendor_key,
            downgrade=options.downgrade,
        )
        installed = _install(session, options, output, options.application, release)
    output.say(
        f"{installed.label} is installed in {installed.folder}\n"
        f"Its size, checksum and both signatures are right. "
        f"Start it with `cetrus run {options.application}`."
    )
    output.result(_facts(installed))
    return 0


def _install(
    session: Session, options: Namespace, output: Output, application: str, release: Release
) -> Installed:
    progress = output.progress(release.label)
    try:
        return Installer(session).install(
            application,
            release,
            session.credential(application),
            to=getattr(options, "to", None),
            archive=getattr(options, "archive", None),
            progress=progress,
        )
    finally:
        if progress is not None:
            progress.finish()


def _facts(installed: Installed) -> dict[str, str]:
    return {
        "application": installed.application,
        "version": installed.version,
        "folder": installed.folder,
        "sha256": installed.sha256,
        "vendor_key": installed.vendor_kid,
    }


def update(options: Namespace, output: Output) -> int:
    """Each application by itself: what fails for one is said, and the others go on."""
    with open_session(options) as session:
        shelf, code = Installer(session).shelf, 0
        named = [shelf.require(options.application)] if options.application else list(shelf.all())
        if not named:
            raise NotInstalled("Nothing is installed on this computer.")
        for installed in named:
            try:
                _update(session, options, output, installed)
            except CetrusError as error:
                if len(named) == 1:
                    raise
                output.fail(f"{installed.label}: {error.detail}", error.hint, error.exit_code)
                code = code or error.exit_code
    return code


def _update(session: Session, options: Namespace, output: Output, installed: Installed) -> None:
    release = Updates(session).look(installed, session.credential(installed.asked))
    newest = {
        "application": installed.application,
        "installed": installed.version,
        "offered": release.version,
    }
    if not is_newer(release.version, installed.version):
        output.say(_no_update(installed, release))
        output.result({**newest, "update": None, "updated": False})
        return
    if options.check:
        output.say(f"{release.label} is out; {installed.version} is installed.")
        output.result({**newest, "update": release.version, "updated": False})
        return
    Installer(session).require_acceptable(installed.asked, release, new_key=options.vendor_key)
    now = _install(session, options, output, installed.asked, release)
    output.say(
        f"{now.label} is installed in {now.folder}\n"
        f"{installed.version} is kept: go back to it with `cetrus rollback {installed.asked}`."
    )
    output.result({**newest, "update": release.version, "updated": True, "folder": now.folder})


def _no_update(installed: Installed, release: Release) -> str:
    """An older offer is told and not taken: a person decides about going back."""
    if not is_newer(installed.version, release.version):
        return f"{installed.label} is the newest release."
    return (
        f"{release.label} is the newest release on offer, and {installed.version} is installed. "
        f"Where that was withdrawn, go back with `cetrus install {installed.asked} --downgrade`."
    )


def roll_back(options: Namespace, output: Output) -> int:
    with open_session(options) as session:
        back = Installer(session).roll_back(options.application)
    output.say(f"{back.label} is installed again, in {back.folder}")
    output.result(_facts(back))
    return 0


def verify(options: Namespace, output: Output) -> int:
    """A file that a browser downloaded, against what both signed of the newest release."""
    with open_session(options) as session:
        credential = session.credential(options.application)
        release = Installer(session).describe(options.application, credential, options.platform)
        verify_bytes(release, options.file)
    output.say(
        f"{options.file.name} is {release.label} for {release.platform}: "
        f"its size, checksum and both signatures are right."
    )
    output.result({"application": release.application, "version": release.version,
                   "platform": release.platform, "sha256": release.sha256,
                   "vendor_key": release.vendor_kid})  # fmt: skip
    return 0
