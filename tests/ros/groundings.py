"""Two groundings that tests make others from."""

from __future__ import annotations

from dataclasses import replace

from egm_core.grounder.grounder import Grounding

FOUND = Grounding("found", visible=(1.0, 2.0, 3.0, 4.0), score=0.9, score_available=True, engine_ms=100.0)
ABSENT = replace(FOUND, outcome="absent", visible=None, score=0.0)
