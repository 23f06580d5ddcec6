"""Objects that have a name in place of a referring expression, as samples.

A name says which object is meant only where no other object of the picture has it. Names of several objects are left
out, and counted, unless they are asked for.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from egm_core.boxes import Box, area, clip, intersection
from egm_core.data.readers.kind import Place, Tally
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.called import SPLIT as SPLIT_OF
from egm_core.data.readers.shared.called import Chosen
from egm_core.data.readers.shared.pictures import Pictures
from egm_core.sample import Sample
from egm_core.sample.record import far
from egm_core.sample.worlds import apart

# How much of a visible box lies within the amodal box at least, which may be drawn some pixels too small.
WITHIN, ROUNDING = 0.9, 2.0
AMBIGUOUS = "objects whose name another object of the picture has; --names all keeps them"
TWICE = "objects that stand there twice"
NO_BOX, BEYOND = "objects without a box", "objects that lie wholly beyond the picture"
# A thin shape has more pixels than its outline has area.
EXCHANGED = "objects of which more is seen than there is: visible and amodal shape, or their masks, may be exchanged"
NO_VISIBLE = "objects of which something is seen, by their shape or share, and whose visible box is empty or missing"
_LARGER, _PIXELS, _EQUAL, _APART = 1.2, 50, 0.02, 0.1
_BRACKETS = re.compile(r"\([^()]*\)")
SPLIT = re.compile(r"(?<![a-z])(train|val|test)(?:idation|ing)?(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture: its name and its size."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Found:
    """An object as its data set has it; boxes are in pixels and may leave the picture.

    `visible` is None where nothing of the object is seen, and where `unseen` says that its visible box is not known.
    The name is that of the category where `name` is empty. `left_out` says why an object is none to ask for; its name
    counts all the same. `mask` is the (height, width) of its masks, and `swapped` says that they look exchanged.
    `own` is what the object itself says of its source, split, licence and kinds; its file's name tells the others.
    """

    place: Place
    image: Hashable
    annotation: str
    amodal: Box | None
    visible: Box | None
    fraction: float | None
    name: str = ""
    category: int | str = ""
    occluders: tuple[str, ...] = ()
    occluder_boxes: tuple[Box, ...] = ()
    order: int | None = None
    unseen: bool = False
    left_out: str = ""
    mask: tuple[int, int] | None = None
    swapped: bool | None = None
    own: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Source:
    """What all samples of a file have in common; without `pictures` the names of images are their whole paths."""

    name: str
    split: str
    licence: str
    pictures: Pictures | None


def add_names(parser: argparse.ArgumentParser, occluded: bool = True) -> None:
    """Give a parser the options about names, and about hidden parts."""
    parser.add_argument(
        "--names",
        choices=("unique", "all"),
        default="unique",
        help="unique: leave out objects whose name another object of the image has; all: keep them",
    )
    if occluded:
        parser.add_argument("--occluded", action="store_true", help="only objects of which a part is hidden")
    parser.add_argument("--split", default="", help="name of the split (default: what the file's name tells)")


def exchanged(seen: float, whole: float) -> str:
    """Say that visible and amodal shape must have been exchanged, by their areas; empty where not."""
    return EXCHANGED if seen > _LARGER * whole + _PIXELS else ""


def swapped(seen: float, hidden: float | None, rate: float) -> bool | None:
    """Tell whether two masks fit `occlude_rate` only when visible and hidden are exchanged; None where nothing tells.

    A rectangle in place of a mask may do so by chance, so a whole file is judged.
    """
    if hidden is None or not seen + hidden:
        return None
    share = seen / (seen + hidden)
    return None if abs(2 * rate - 1) <= _APART else abs(share - rate) <= _EQUAL


def split_of(path: Path, given: str = "") -> str:
    """Give the split that was named, or the one that a file's name tells, such as val."""
    found = SPLIT.search(re.sub(r"[0-9_]", " ", path.stem))
    return given or (found[1].lower() if found else "")


def cleaned(name: str) -> str:
    """Give a name without blanks at its ends, underscores, or a point at its end."""
    return " ".join(name.replace("_", " ").split()).rstrip(" .,;")


def samples(
    found: Sequence[Found],
    images: Mapping[Hashable, Shown],
    categories: Mapping[int, str],
    source: Source,
    options: argparse.Namespace,
    tally: Tally,
    cut: bool = False,
) -> Iterator[Sample]:
    """Give the samples of objects; with `cut`, visible boxes are cut at the picture's edges."""
    found = _once(found, tally)
    names = [_name(one, categories) for one in found]
    alike = Counter((one.image, name.casefold()) for one, name in zip(found, names, strict=True))
    kept_alike, swaps = 0, _swaps(found, tally)
    given = getattr(options, "split", "")
    split = Chosen(SPLIT_OF, "--split", given, "" if given else source.split, found[0].place.file if found else "")
    for one, name in zip(found, names, strict=True):
        ambiguous = alike[one.image, name.casefold()] > 1
        why = _left_out(one, name, ambiguous and options.names == "unique", getattr(options, "occluded", False))
        if not why and swaps and one.swapped:
            why = EXCHANGED
        if why:
            tally.drop(why, one.place, wrong=why in (EXCHANGED, NO_VISIBLE))
            continue
        shown = images.get(one.image)
        if shown is None:
            raise one.place.wrong("image_id", one.image, "the file has no image of that id")
        if one.mask and one.mask != (shown.height, shown.width):
            told = f"the picture's height and width are {shown.height}, {shown.width}"
            raise one.place.wrong("the size of its mask", list(one.mask), told)
        visible = clip(one.visible, shown.width, shown.height) if cut and one.visible else one.visible
        if why := _wrong_boxes(one, visible, shown):
            tally.drop(why, one.place, wrong=why not in (NO_BOX, BEYOND))
            continue
        kept_alike += ambiguous
        origin = {"source": source.name, "licence": source.licence, **(one.own or {})}
        # A file of our own may say that there is no split.
        untold = origin.get("split") == "" and not given
        data_set, world, kind = apart(origin["source"], origin.get("world", ""), origin.get("expression_kind", ""))
        yield Sample(
            image=source.pictures.find(shown.name) if source.pictures else shown.name,
            sent=name,
            bbox=visible,
            amodal_bbox=one.amodal,
            visible_fraction=one.fraction,
            height=shown.height,
            width=shown.width,
            source=data_set,
            split="" if untold else split.take(origin.get("split", "")),
            task="amodal" if one.unseen else "",
            image_id=str(one.image),
            annotation_id=one.annotation,
            licence=origin["licence"],
            occluders=one.occluders,
            occluder_boxes=_within(one.occluder_boxes, shown),
            depth_order=one.order,
            category=name if one.category == "" else _category(one, categories),
            world=world,
            expression_kind=kind,
        )
    split.tell(tally)
    if kept_alike:
        tally.note(f"{kept_alike:,} samples have a name that another object of their picture has, too (--names all)")


def _once(found: Sequence[Found], tally: Tally) -> list[Found]:
    """Leave out what stands there again with its id and its boxes: it is one object, not two of one name."""
    kept: dict[Hashable, Found] = {}
    for one in found:
        key = (one.image, one.annotation, one.name, one.category, one.amodal, one.visible, one.order)
        if kept.setdefault(key, one) is not one:
            tally.drop(TWICE, one.place)
    return list(kept.values())


def _swaps(found: Sequence[Found], tally: Tally) -> bool:
    """Tell whether a file's visible and hidden masks are exchanged: most of those that tell. A few are named."""
    told = [one for one in found if one.swapped is not None]
    fit = [one for one in told if one.swapped]
    if len(fit) > len(told) / 2:
        return True
    if fit:
        tally.note(
            f"{len(fit):,} objects, such as {fit[0].place}, have the share in visible_mask that occlude_rate says is "
            "hidden: the two masks may be exchanged there"
        )
    return False


def _within(boxes: Sequence[Box], shown: Shown) -> tuple[Box, ...]:
    cut = (clip(box, shown.width, shown.height) for box in boxes)
    return tuple(box for box in cut if area(box))


def _category(one: Found, categories: Mapping[int, str]) -> str:
    if isinstance(one.category, str):
        return cleaned(one.category)
    if one.category not in categories:
        raise one.place.wrong("category_id", one.category, "the file has no category of that id")
    return cleaned(categories[one.category])


def _name(one: Found, categories: Mapping[int, str]) -> str:
    # LVIS explains a category in brackets: car_(automobile).
    return cleaned(one.name) if one.name else cleaned(_BRACKETS.sub("", _category(one, categories)))


def _left_out(one: Found, name: str, ambiguous: bool, only_occluded: bool) -> str:
    if one.left_out or not name:
        return one.left_out or "objects without a name"
    if ambiguous:
        return AMBIGUOUS
    if only_occluded and (one.fraction is None or one.fraction >= 1):
        return "objects of which nothing is hidden, or it is not known (--occluded)"
    return ""


def _wrong_boxes(one: Found, visible: Box | None, shown: Shown) -> str:
    if visible and (why := fields.unusable(visible, shown.width, shown.height)):
        return f"objects where {why}"
    if one.amodal is None:
        return "" if visible else NO_BOX
    x0, y0, x1, y1 = one.amodal
    if x0 >= x1 or y0 >= y1:
        return "objects where the amodal box has no area"
    if far(one.amodal, shown.width, shown.height):
        return "objects where the amodal box is far out of the picture"
    if not visible and not area(clip(one.amodal, shown.width, shown.height)):
        return BEYOND
    if visible and intersection(visible, _grown(one.amodal)) < WITHIN * area(visible):
        return "objects whose visible box is not within the amodal one: the two may be exchanged, or x, y, x, y"
    return ""


def _grown(box: Box) -> Box:
    x0, y0, x1, y1 = box
    return (x0 - ROUNDING, y0 - ROUNDING, x1 + ROUNDING, y1 + ROUNDING)
