"""Keeps the folders tests/vllm and tests/verl, which pytest's path makes importable, from passing for the packages."""

from __future__ import annotations

import sys
from importlib.util import find_spec

for name in ("vllm", "verl"):
    found = find_spec(name)
    if found is not None and found.origin is None:
        # TRL would take the folder for an installation of unknown version, and fail.
        sys.modules[name] = None  # type: ignore[assignment]
