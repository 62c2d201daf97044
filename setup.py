"""What pyproject.toml cannot say: the wheel carries the device files and the example programs."""

from pathlib import Path
from shutil import copytree, ignore_patterns

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithDevice(build_py):
    """Copies device/ into the package, where pico_ota.devicefiles looks for it."""

    def run(self):
        """Build as usual, then copy."""
        super().run()
        if not self.editable_mode:
            package = Path(self.build_lib) / "pico_ota"
            copytree(
                "device",
                package / "_device",
                dirs_exist_ok=True,
                ignore=ignore_patterns("__pycache__"),
            )


setup(cmdclass={"build_py": BuildWithDevice})
