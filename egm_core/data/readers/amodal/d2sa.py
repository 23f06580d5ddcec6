"""D2SA: groceries on a turntable, in COCO's layout; all masks are run lengths."""

from __future__ import annotations

from egm_core.data.readers.amodal.masked import arguments, reader
from egm_core.data.readers.kind import Kind

LICENCE = "MVTec's terms: not for commercial use"
KIND = Kind(
    "d2sa",
    "D2SA: COCO's layout with masks of what is seen and what is hidden, in run lengths",
    LICENCE,
    arguments,
    reader("D2SA", "d2sa|d2s_amodal", LICENCE),
    "--file D2S_amodal_validation.json --images d2s/images",
)
