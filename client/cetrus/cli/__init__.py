"""`cetrus`: sign in, install, run, and see what was used.

Exit codes: 0 done; 2 wrong arguments; 101 to 113 as `errors.py` says; 128 and the number of the
signal that interrupted it. `cetrus run` ends with the exit code of the program it started.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

from cetrus.cli.arguments import parse
from cetrus.cli.output import Output
from cetrus.cli.programs import SIGNAL_BASE
from cetrus.errors import CetrusError, Interrupted

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(sys.argv[1:] if argv is None else argv)
    output = Output(as_json=options.json)
    if options.debug:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        return int(options.command(options, output))
    except CetrusError as error:
        if options.debug:
            traceback.print_exc()
        hint = error.hint.replace("APPLICATION", _application(options))
        output.fail(error.detail, hint, error.exit_code, _more(error))
        return error.exit_code
    except KeyboardInterrupt as error:
        output.say_error("Interrupted.")
        return SIGNAL_BASE + (error.number if isinstance(error, Interrupted) else signal.SIGINT)
    except BrokenPipeError:
        # Whoever read the output has enough; the interpreter must not complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if options.debug:
            raise
        code = CetrusError.exit_code
        output.fail(f"Something failed in cetrus itself: {type(error).__name__}.", None, code)
        return code


def _application(options: Namespace) -> str:
    """The name that was typed, for a hint that can be copied as it stands."""
    return getattr(options, "application", None) or "APPLICATION"


def _more(error: CetrusError) -> dict[str, Any]:
    """What a program may want to decide by."""
    found = {name: getattr(error, name, None) for name in ("code", "retry_after")}
    return {name: value for name, value in found.items() if value is not None}
