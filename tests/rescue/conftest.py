"""The boards of the tests of trials."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "trial"))

from boards import make_board  # noqa: F401
