"""All kinds of files that there are readers of."""

from __future__ import annotations

from egm_core.data.readers import coco
from egm_core.data.readers.amodal import coco_amodal, cocoa_cls, d2sa, kins, tao_amodal
from egm_core.data.readers.driving import drivelm, kitti, nuscenes, talk2car
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
from egm_core.data.readers.robots import bags, droid, lerobot
from egm_core.data.readers.robots.question import Recordings, kind

RECORDINGS: tuple[Recordings, ...] = (droid.RECORDINGS, lerobot.RECORDINGS, bags.RECORDINGS)
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
    coco.KIND,
    coco_amodal.KIND,
    cocoa_cls.KIND,
    d2sa.KIND,
    kins.KIND,
    tao_amodal.KIND,
    kitti.KIND,
    talk2car.KIND,
    drivelm.KIND,
    nuscenes.KIND,
    *map(kind, RECORDINGS),
)


def kinds() -> dict[str, Kind]:
    """Give the kinds by name."""
    return {kind.name: kind for kind in KINDS}


def recordings() -> dict[str, Recordings]:
    """Give the kinds of recordings, which hold questions without boxes, by name."""
    return {one.name: one for one in RECORDINGS}
