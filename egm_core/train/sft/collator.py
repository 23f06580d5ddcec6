"""Carries a trainer's collator into the processes that load its batches.

A spawned process unpickles what it is given before it runs anything: the collator's processor would be imported before
torchvision is usable (see `torchvision_shim`). This module is imported first, because its class is named first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from egm_core.torchvision_shim import install_schemas

install_schemas()


class Collator:
    """A collator that works in any process, and whose failures are never taken for the end of the data."""

    def __init__(self, inner: Callable[[list[Any]], Any]) -> None:
        self.inner = inner

    def __call__(self, rows: list[Any]) -> Any:
        """Make a batch of rows; ValueError where the processor runs out of pictures."""
        try:
            return self.inner(rows)
        except StopIteration as error:
            # A loader would end the epoch here, in silence.
            texts = "; ".join(str(row.get("prompt", "")) for row in rows)
            raise ValueError(f"a prompt asks for more pictures than it has: {texts}") from error
