"""`cetrus`: sign in, install, run, and see what was used.

Exit codes: 0 done; 1 something else failed; 2 wrong arguments; 3 Cetrus not reached; 4 refused by a
signed verdict; 5 sign-in needed; 6 request rejected; 7 release not as signed; 8 not installed;
9 state folder; 130 interrupted. `cetrus run` ends with the exit code of the program it started.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING

from cetrus.cli.arguments import parse
from cetrus.cli.output import Output
from cetrus.errors import CetrusError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
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
        output.fail(error.detail, error.hint, error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        output.say_error("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has enough; the interpreter must not complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if options.debug:
            raise
        output.fail(f"Something failed in cetrus itself: {type(error).__name__}.", None, 1)
        return 1
