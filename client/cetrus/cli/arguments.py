"""The command line, parsed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cetrus.cli import commands
from cetrus.cli.running import run

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """\
exit codes:
  0 done                        5 sign-in needed
  1 something else failed       6 the service rejected the request
  2 wrong arguments             7 the release is not as it was signed
  3 Cetrus was not reached      8 not installed
  4 refused by a signed verdict 9 the state folder cannot be used
  `cetrus run` ends with the exit code of the program that it started.

environment: CETRUS_SERVER, CETRUS_HOME, CETRUS_LICENSE_KEY, NO_COLOR
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
    add = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_login(add, shared)
    _add_install(add, shared)
    _add_run(add, shared)
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
    parser.add_argument("application", metavar="APPLICATION", help="its short name or id")
    parser.add_argument("--browser", action="store_true", help="open the page in a browser")
    parser.add_argument(
        "--license-key",
        action="store_true",
        help="read a license key from standard input instead",
    )
    parser.set_defaults(command=commands.login)


def _add_install(add: Commands[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    parser = _add(add, shared, "install", "Download, verify and unpack the newest release.")
    parser.add_argument("application", metavar="APPLICATION", help="its short name or id")
    parser.add_argument("--to", type=Path, metavar="DIR", help="a new or empty folder for it")
    parser.add_argument("--vendor-key", metavar="ID", help="accept this new key of the vendor")
    parser.set_defaults(command=commands.install)


def _add_run(add: Commands[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    parser = add.add_parser(
        "run",
        help="Start an installed application on a lease.",
        description="Start an installed application on a lease.",
        usage="cetrus run [options] APPLICATION [-- ARGUMENT ...]",
        parents=[shared],
    )
    parser.add_argument("application", metavar="APPLICATION", help="its short name or id")
    parser.add_argument("--license", dest="license_id", metavar="ID", help="use this license")
    parser.set_defaults(command=run)


def _add_others(add: Commands[argparse.ArgumentParser], shared: argparse.ArgumentParser) -> None:
    parser = _add(add, shared, "check", "Ask whether a launch would be allowed now.")
    parser.add_argument("application", metavar="APPLICATION", help="its short name or id")
    parser.add_argument("--license", dest="license_id", metavar="ID", help="ask about this one")
    parser.set_defaults(command=commands.check)
    parser = _add(add, shared, "usage", "Show the time used, by day.")
    parser.add_argument("application", metavar="APPLICATION", nargs="?", help="signed in to")
    parser.set_defaults(command=commands.usage)
    parser = _add(add, shared, "logout", "Forget the sign-in on this computer.")
    parser.add_argument("application", metavar="APPLICATION", nargs="?", help="all without it")
    parser.set_defaults(command=commands.logout)
