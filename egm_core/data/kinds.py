"""All kinds of files that there are readers of."""

from __future__ import annotations

from egm_core.data.readers.kind import Kind
from egm_core.data.readers.referring import (
    egm,
    grefcoco,
    grounding_me,
    internvl,
    lmms,
    ref_adv,
    ref_l4,
    refer,
    reviewed,
    vlmevalkit,
)

KINDS: tuple[Kind, ...] = (
    refer.KIND,
    internvl.KIND,
    egm.KIND,
    vlmevalkit.KIND,
    lmms.KIND,
    ref_l4.KIND,
    reviewed.KIND,
    ref_adv.KIND,
    grefcoco.KIND,
    grounding_me.KIND,
)


def kinds() -> dict[str, Kind]:
    """Give the kinds by name."""
    return {kind.name: kind for kind in KINDS}
