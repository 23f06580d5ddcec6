"""Model families: the exact prompts, the answer's format and its parser, one file each."""

from __future__ import annotations

import difflib

from egm_core.families.base import TASKS, Answer, Family, Mode, Task
from egm_core.families.internvl3 import InternVL3
from egm_core.families.internvl3_5 import InternVL35
from egm_core.families.paper import official_pixels
from egm_core.families.parts import Reason
from egm_core.families.qwen3_5 import Qwen35
from egm_core.families.qwen3_vl import Qwen3VL

__all__ = ["FAMILIES", "TASKS", "Answer", "Family", "Mode", "Reason", "Task", "family", "official_pixels"]

FAMILIES: dict[str, Family] = {f.name: f for f in (Qwen3VL(), Qwen35(), InternVL3(), InternVL35())}


def family(name: str) -> Family:
    """Look up a family by its name, such as `qwen3_vl`; ValueError names the nearest one."""
    if name in FAMILIES:
        return FAMILIES[name]
    near = difflib.get_close_matches(name.lower(), FAMILIES, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(FAMILIES)}"
    raise ValueError(f"unknown model family {name!r}; {hint}")
