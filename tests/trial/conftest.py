"""The fixtures are in boards.py, the tests of rescue mode use them too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from boards import make_board  # noqa: F401
