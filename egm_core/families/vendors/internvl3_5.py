"""InternVL3.5: prompt and frame of InternVL3, as its makers' own evaluation has them for both."""

from __future__ import annotations

from egm_core.families.internvl3 import InternVL3


class InternVL35(InternVL3):
    """InternVL3.5 in all sizes; double brackets around the box are read by InternVL3's family already."""

    name = "internvl3_5"
