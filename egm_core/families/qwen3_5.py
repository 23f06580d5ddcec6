"""Qwen3.5: Qwen3-VL's prompts and answers, by a model that thinks or not as its chat template is told."""

from __future__ import annotations

from egm_core.families.qwen3_vl import Qwen3VL
from egm_core.families.thinking import Thinking


class Qwen35(Qwen3VL):
    """Qwen3.5 in all sizes, which see pictures without a `VL` in their names.

    Its template takes `enable_thinking`: it opens `<think>` where that is true, and writes an empty thought where it is
    false. Without the argument the sizes up to 2B don't think and the larger ones do, so that it is always given.
    Boxes are in thousandths of the picture, as its makers say (QwenLM/Qwen3.8-Flash-Next, issue 4; read, not run).
    """

    name = "qwen3_5"
    thinking = Thinking("open", "shut", "enable_thinking")
