"""Starts Halyard out of its archive, and says plainly what this Python lacks."""

import importlib.util
import sys

if sys.version_info < (3, 11) or importlib.util.find_spec("cryptography") is None:
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit(
        "Halyard needs Python 3.11 or newer with the package 'cryptography'; this is "
        f"{sys.executable} ({found}).\n"
        "Start it with `cetrus run halyard`, or name another Python in CETRUS_PYTHON."
    )

from halyard.app import main

sys.exit(main())
