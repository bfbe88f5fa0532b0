"""`python -m infra.local`: see `infra.local.front.command`."""

import sys

from infra.local.front.command import main

if __name__ == "__main__":
    sys.exit(main())
