"""Tests of the client; `cetrus` is taken from the folder beside, installed or not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
