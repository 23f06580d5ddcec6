"""Qwen3-VL with its makers' own prompt for RefCOCO, beside that of EGM."""

from __future__ import annotations

from typing import ClassVar

from egm_core.families.base import Task
from egm_core.families.qwen3_vl import Qwen3VL


class Qwen3VLOfficial(Qwen3VL):
    """Qwen3-VL as its maintainers say that they ask it (QwenLM/Qwen3-VL, issue 1721); read as EGM's.

    The amodal wording is ours, for theirs knows none. `box_2d` is read too, for some sizes write that key.
    """

    name = "qwen3_vl_official"
    box_keys = frozenset({"box2d"})
    prompts: ClassVar[dict[Task, str]] = Qwen3VL.several
