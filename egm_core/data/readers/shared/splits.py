"""The names of RefCOCO, RefCOCO+ and RefCOCOg and of their splits, as files and tables write them."""

from __future__ import annotations

import re
from pathlib import Path

LICENCE = "annotations of RefCOCO and RefCOCO+ Apache-2.0, of RefCOCOg CC BY 4.0; COCO's images keep their Flickr terms"
SETS = {
    "refcoco": "RefCOCO",
    "refcoco+": "RefCOCO+",
    "refcocop": "RefCOCO+",
    "refcocoplus": "RefCOCO+",
    "refcocog": "RefCOCOg",
}
_SPLITS = {split.lower(): split for split in ("train", "val", "test", "testA", "testB", "testC", "validation")}
_NAME = re.compile(
    r"(?<![a-z])(refcoco(?:\+|plus|p|g)?)[^a-z+]*(?:umd|unc|google)?[^a-z+]*(test[abc]?|train|val)?(?![a-z])",
    re.IGNORECASE,
)


def told(text: str) -> tuple[str, str]:
    """Give the data set and split that a name such as `refcoco+_testA` tells; empty where it tells none."""
    found = _NAME.search(text)
    if not found:
        return "", ""
    return SETS[found[1].lower()], _SPLITS.get((found[2] or "").lower(), "")


def licence_of(source: str) -> str:
    """Give the licence of a data set that is RefCOCO, RefCOCO+ or RefCOCOg by its name; else nothing."""
    return LICENCE if source in SETS.values() else ""


def of_file(path: Path) -> tuple[str, str]:
    """Give the data set and split that a file's name tells; the data set is its stem where it tells none."""
    name, split = told(path.stem)
    return name or path.stem, split
