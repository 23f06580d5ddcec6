"""What an engine is doing, in a word for programs and in words for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class EngineState:
    """What an engine is doing; `reason` is a word for programs.

    Ready: engine_ready, engine_degraded.  Failed: engine_died, engine_hung, engine_out_of_memory, engine_unusable,
    engine_unreachable, engine_start_timeout, engine_failed.
    """

    state: Literal["starting", "ready", "failed", "closed"]
    reason: str
    detail: str

    @property
    def words(self) -> str:
        """Say it to a person; the words of an engine that only starts are not those of a failure."""
        plain = {"engine_starting": "the engine is starting", "engine_ready": "the engine is ready"}
        return f"{plain.get(self.reason, self.reason)}: {self.detail}".removesuffix(": ")
