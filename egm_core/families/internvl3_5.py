"""InternVL3.5: prompt and frame of InternVL3, as its makers' own evaluation has them for both."""

from __future__ import annotations

from egm_core.families.internvl3 import InternVL3


class InternVL35(InternVL3):
    """InternVL3.5 in all sizes; double brackets around the box are read by InternVL3's family already.

    Its language model is a Qwen3 or a gpt-oss, its vision tower and its tiles are InternVL3's. The published template
    has no argument for thinking: a stock model thinks where a system prompt asks for it, a trained one as it learnt.
    A folder whose template takes `enable_thinking`, for example to write that system prompt, is switched by it.
    """

    name = "internvl3_5"
