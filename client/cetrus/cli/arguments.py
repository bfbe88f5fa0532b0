"""The command line, parsed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cetrus.cli import commands, releases
from cetrus.cli.running import run
from cetrus.releases import PLATFORMS
from cetrus.wire import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "its short name or id"
EPILOG = """\
first steps:
  cetrus login halyard        sign in here; prints where to approve it
  cetrus install halyard      download, verify and unpack the newest release
  cetrus run halyard -- ...   run it; what is after -- is its own

exit codes:
  0    done                          107  the release is not as it was signed
  2    wrong arguments               108  not installed
  101  something else failed         109  the state folder cannot be used
  103  Cetrus was not reached        110  refused: no seat is free now
  104  refused by a signed verdict   111  refused: time or payment needed
  105  sign in first                 112  refused: the license has expired
  106  the service rejected it       113  refused: this release was withdrawn
  `cetrus run` ends with the exit code of the program that it started.

environment: CETRUS_SERVER, CETRUS_HOME, CETRUS_LICENSE_KEY,
  CETRUS_UPDATE_CHECK=0, NO_COLOR
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """What is after `--` belongs to the program that `run` starts and is not looked at."""
    given = list(argv)
    cut = given.index("--") if "--" in given else len(given)
    options = _parser().parse_args(given[:cut])
    options.arguments = given[cut + 1 :]
    return options


def _parser() -> argparse.ArgumentParser:
    shared = _shared_options()
    parser = argparse.ArgumentParser(
        prog="cetrus",
        description="Install and run On Demand Applications, and see what was used.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # Its own copy: set_defaults changes the options themselves, wherever they are shared.
        parents=[_shared_options()],
    )
    parser.set_defaults(server=None, json=False, debug=False)
    parser.add_argument("--version", action="version", version=f"cetrus {VERSION}")
    add = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_login(add, shared)
    _add_install(add, shared)
    _add_run(add, shared)
    _add_update(add, shared)
    _add_verify(add, shared)
    _add_others(add, shared)
    return parser


def _shared_options() -> argparse.ArgumentParser:
    """Taken before and after the command; SUPPRESS keeps the one from undoing the other."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("--server", metavar="URL", help="base URL; CETRUS_SERVER otherwise")
    shared.add_argument("--json", action="store_true", help="speak JSON, for programs")
    shared.add_argument("--debug", action="store_true", help="show where an error comes from")
    return shared


Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives its type no public name


def _add(
    add: Commands[argparse.ArgumentParser], shared: argparse.ArgumentParser, name: str, text: str
) -> argparse.ArgumentParser:
    return add.add_parser(name, help=text, description=text, parents=[shared])


def _add_login(add: Commands[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    parser = _add(add, shared, "login", "Sign in to an application on this computer.")
    parser.add_argument("application", metavar="APPLICATION", help=NAME)
    parser.add_argument("--browser", action="store_true", help="open the page in a browser")
    parser.add_argument(
        "--license-key",
        action="store_true",
        help="read a license key from standard input instead",
    )
    parser.set_defaults(command=commands.login)


def _add_install(add: Commands[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    parser = _add(add, shared, "install", "Download, verify and unpack the newest release.")
    parser.add_argument("application", metavar="APPLICATION", help=NAME)
    parser.add_argument("--to", type=Path, metavar="DIR", help="a new or empty folder for it")
    parser.add_argument(
        "--from", dest="archive", type=Path, metavar="FILE", help="it was downloaded already"
    )
    parser.add_argument("--vendor-key", metavar="ID", help="accept this new key of the vendor")
    parser.add_argument(
        "--downgrade", action="store_true", help="take a release older than the installed one"
    )
    parser.set_defaults(command=releases.install)


def _add_update(add: Commands[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    parser = _add(add, shared, "update", "Install a newer release, where there is one.")
    parser.add_argument("application", metavar="APPLICATION", nargs="?", help="all without it")
    parser.add_argument("--check", action="store_true", help="only say whether there is one")
    parser.add_argument("--vendor-key", metavar="ID", help="accept this new key of the vendor")
    parser.set_defaults(command=releases.update)
    parser = _add(add, shared, "rollback", "Install the release before the last update again.")
    parser.add_argument("application", metavar="APPLICATION", help=NAME)
    parser.set_defaults(command=releases.roll_back)


def _add_verify(add: Commands[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    parser = _add(add, shared, "verify", "Compare a downloaded file with what was signed.")
    parser.add_argument("application", metavar="APPLICATION", help=NAME)
    parser.add_argument("file", type=Path, metavar="FILE", help="as the browser stored it")
    parser.add_argument("--platform", choices=PLATFORMS, help="another system than this one")
    parser.set_defaults(command=releases.verify)


def _add_run(add: Commands[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    parser = add.add_parser(
        "run",
        help="Start an installed application on a lease.",
        description="Start an installed application on a lease.",
        usage="cetrus run [options] APPLICATION [-- ARGUMENT ...]",
        parents=[shared],
    )
    parser.add_argument("application", metavar="APPLICATION", help=NAME)
    parser.add_argument("--license", dest="license_id", metavar="ID", help="use this license")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="run what was unpacked there by hand"
    )
    parser.set_defaults(command=run)


def _add_others(add: Commands[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    parser = _add(add, shared, "check", "Ask whether a launch would be allowed now.")
    parser.add_argument("application", metavar="APPLICATION", help=NAME)
    parser.add_argument("--license", dest="license_id", metavar="ID", help="ask about this one")
    parser.set_defaults(command=commands.check)
    parser = _add(add, shared, "usage", "Show the time used, by day.")
    parser.add_argument("application", metavar="APPLICATION", nargs="?", help="signed in to")
    parser.set_defaults(command=commands.usage)
    parser = _add(add, shared, "status", "Show what is installed and signed in to here.")
    parser.set_defaults(command=commands.status)
    parser = _add(add, shared, "logout", "Forget the sign-in on this computer.")
    parser.add_argument("application", metavar="APPLICATION", nargs="?", help="all without it")
    parser.set_defaults(command=commands.logout)
