"""The fixtures of the command line serve here too."""

import importlib.util
import sys
from pathlib import Path

# The file of another folder by its path: `conftest` is the name of every one of them.
_place = Path(__file__).parents[1] / "cli/conftest.py"
_spec = importlib.util.spec_from_file_location("cli_conftest", _place)
_cli = importlib.util.module_from_spec(_spec)
sys.modules["cli_conftest"] = _cli
_spec.loader.exec_module(_cli)

clean_surroundings = _cli.clean_surroundings
here = _cli.here
cli = _cli.cli
shared_pico = _cli.shared_pico
device = _cli.device
