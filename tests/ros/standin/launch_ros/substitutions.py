"""Where a package's files are: those of the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]


class FindPackageShare:
    """The share folder of a package."""

    def __init__(self, package: str) -> None:
        self.package = package

    def perform(self, context: Any) -> str:
        """Give the folder."""
        if self.package != "egm_ros":
            raise RuntimeError(f"\"package '{self.package}' not found\"")
        return str(ROOT)
