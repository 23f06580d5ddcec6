"""Writes requirements/constraints.txt from what is installed in the running environment.

    .venv/bin/python tools/freeze.py
"""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "requirements" / "constraints.txt"
HEADER = "# The whole set that was tested together, for what the other files pull in; written by tools/freeze.py."
# torch differs by index, torchvision follows it, and pip comes with the environment.
LEFT_OUT = {"torch", "torchvision", "pip", "egm-ros", "egm_ros"}


def installed() -> list[str]:
    """Lists `name==version` of what pip installed; the wheels' inner packages were not, and are left out."""
    pins = {
        f"{found.metadata['Name']}=={found.version.split('+')[0]}"
        for found in distributions()
        if found.read_text("INSTALLER") and found.metadata["Name"].lower() not in LEFT_OUT
    }
    return sorted(pins, key=str.lower)


if __name__ == "__main__":
    TARGET.write_text("\n".join([HEADER, *installed()]) + "\n")
