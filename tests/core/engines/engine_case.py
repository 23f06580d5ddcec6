"""An engine under test, and the family that its model speaks."""

from __future__ import annotations

from dataclasses import dataclass

from egm_core.engines import Engine


@dataclass(frozen=True)
class Case:
    engine: Engine
    family: str
