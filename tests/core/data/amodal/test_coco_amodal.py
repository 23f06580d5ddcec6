"""COCO-Amodal: both boxes of every region, what hides it, which names will do, and every wrong field by its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from amodal_files import HEIGHT, IMAGE, cocoa, document, outline, region, rle
from record_files import picture

from egm_core.data.readers.amodal.coco_amodal import read_layout
from egm_core.data.readers.kind import Tally

CUP = region(1, " Cup ", (10, 10, 20, 30))
BOOK = region(
    2, "book", (4.25, 12, 40.5, 40), occlude_rate=0.25,
    visible_mask=rle(20, 12, 41, 40), invisible_mask=rle(4, 12, 20, 40),
)  # fmt: skip
LID = region(4, "lid", (5, 5, 9, 9), occlude_rate=1, visible_mask=rle(), invisible_mask=rle(5, 5, 9, 9))
FLOOR = region(5, "floor", (0, 0, 64, 48), isStuff=1)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    picture(tmp_path / "a.png")
    return cocoa(tmp_path / "COCO_amodal_val2014.json", CUP, BOOK, LID, FLOOR, depth_constraint="1-2,1-4,9-2")


def test_a_region_has_both_boxes_its_share_and_its_order(convert: Any, scene: Path) -> None:
    cup, book, lid = convert("coco-amodal", "--file", scene)
    assert (cup.sent, cup.bbox, cup.amodal_bbox, cup.visible_fraction) == ("Cup", (10, 10, 20, 30), (10, 10, 20, 30), 1)
    # The mask's right edge, 41, stands out of the outline's by less than a pixel.
    assert (book.bbox, book.amodal_bbox) == ((20, 12, 40.5, 40), (4.25, 12, 40.5, 40))
    assert (book.visible_fraction, book.depth_order, lid.depth_order) == (0.75, 2, 4)
    assert (book.source, book.split, book.image_id, book.annotation_id) == ("COCO-Amodal", "val", "7", "3-2")
    assert Path(book.image).is_file() and "CC BY" in book.licence
    assert (lid.bbox, lid.hidden, lid.asks("visible"), lid.asks("amodal")) == (None, True, False, True)
    assert "left out 1: regions of stuff" in convert.said and "region 4" in convert.said


def test_occluders_are_in_front_and_meet_what_is_hidden(convert: Any, scene: Path) -> None:
    _, book, lid = convert("coco-amodal", "--file", scene)
    assert (book.occluders, book.occluder_boxes) == (("Cup",), ((10, 10, 20, 30),))
    assert lid.occluders == (), "the cup is said to be in front, but covers nothing of the lid"


def test_a_box_that_meets_is_no_occluder_where_the_shape_does_not(convert: Any, tmp_path: Path) -> None:
    # The lower left half of a square around what is hidden in its upper right corner.
    corner = {**region(1, "corner", (0, 0, 30, 40)), "segmentation": [0, 0, 30, 40, 0, 40]}
    behind = region(2, "lid", (20, 0, 40, 9), occlude_rate=0.5, visible_mask=rle(30, 0, 40, 9),
                    invisible_mask=rle(20, 0, 30, 9))  # fmt: skip
    _, lid = convert("coco-amodal", "--file", cocoa(tmp_path / "x.json", corner, behind))
    assert lid.occluders == ()


@pytest.mark.parametrize("said", [{}, {"depth_constraint": ""}, {"depth_constraint": "9-8"}])
def test_order_decides_where_the_constraints_are_silent(convert: Any, tmp_path: Path, said: dict[str, str]) -> None:
    back = region(3, "wall", (0, 0, 64, 48))
    _, book, _ = convert("coco-amodal", "--file", cocoa(tmp_path / "x.json", CUP, BOOK, back, **said))
    assert book.occluders == ("Cup",)


def test_stuff_is_kept_on_wish_and_the_hidden_alone(convert: Any, scene: Path) -> None:
    kept = convert("coco-amodal", "--file", scene, "--stuff", "--occluded", "--split", "mine")
    assert [(sample.sent, sample.split) for sample in kept] == [("book", "mine"), ("lid", "mine")]
    assert "floor" in [sample.sent for sample in convert("coco-amodal", "--file", scene, "--stuff")]


def test_a_name_of_two_regions_says_nothing(convert: Any, tmp_path: Path) -> None:
    other = region(3, "CUP", (30, 10, 40, 30))
    file = cocoa(tmp_path / "x.json", CUP, BOOK, other)
    assert [sample.sent for sample in convert("coco-amodal", "--file", file)] == ["book"]
    assert "left out 2: objects whose name another object of the picture has" in convert.said
    assert len(convert("coco-amodal", "--file", file, "--names", "all")) == 3
    assert "2 samples have a name that another object" in convert.said


def test_stuff_that_is_left_out_takes_its_name_from_others(convert: Any, tmp_path: Path) -> None:
    file = cocoa(tmp_path / "x.json", CUP, region(2, "rug", (1, 1, 9, 9)), region(3, "rug", (0, 0, 64, 48), isStuff=1))
    assert [sample.sent for sample in convert("coco-amodal", "--file", file)] == ["Cup"]


def test_the_first_of_several_annotations_counts(convert: Any, tmp_path: Path) -> None:
    box = (1, 1, 9, 9)
    both = [{"id": n, "image_id": 7, "regions": [region(1, name, box)]} for n, name in enumerate(("one", "two"))]
    file = document(tmp_path / "x.json", {"annotations": both, "images": [IMAGE]})
    assert [sample.sent for sample in convert("coco-amodal", "--file", file)] == ["one"]
    assert "left out 1: annotations of a picture by further people" in convert.said


def test_names_are_cleaned_and_lines_without_area_left_out(convert: Any, tmp_path: Path) -> None:
    line = {**region(3, "line", (1, 1, 1, 9)), "segmentation": [1, 1, 1, 9]}
    file = cocoa(tmp_path / "x.json", region(1, " the\tdougnut. ", (1, 1, 9, 9)), region(2, " ", (1, 1, 9, 9)), line)
    assert [sample.sent for sample in convert("coco-amodal", "--file", file)] == ["the dougnut"]
    assert "objects without a name" in convert.said and "no area" in convert.said


WRONG = [
    ({"segmentation": [1, 2, 3]}, "segmentation"),
    ({"segmentation": [1, 2, "3", 4]}, "segmentation"),
    ({"segmentation": None}, "segmentation"),
    ({"order": 0}, "order"),
    ({"order": "front"}, "order"),
    ({"name": 3}, "name"),
    ({"isStuff": 2}, "isStuff"),
    ({"occlude_rate": 1.5}, "occlude_rate"),
    ({"occlude_rate": 0.5}, "occlude_rate"),
    ({"visible_mask": "x"}, "visible_mask"),
    ({"visible_mask": {"size": [48, 64], "counts": "PPPP"}}, "visible_mask.counts"),
    ({"visible_mask": {"size": [48, 64], "counts": "zzzz"}}, "visible_mask.counts"),
    ({"visible_mask": {"size": [48, 64], "counts": rle(1, 1, 9, 9)["counts"][:-2]}}, "visible_mask.counts"),
    ({"visible_mask": {"size": [48, 64], "counts": [5, 7]}}, "visible_mask.counts"),
    ({"visible_mask": {"size": [48, 64], "counts": None}}, "visible_mask.counts"),
    ({"visible_mask": rle(1, 1, 9, 9, width=HEIGHT, height=64)}, "the size of its mask"),
    ({"visible_mask": rle(1, 1, 9, 9), "invisible_mask": rle(1, 1, 9, 9, width=9)}, "invisible_mask.size"),
]


@pytest.mark.parametrize(("change", "field"), WRONG)
def test_a_wrong_field_is_named(refused: Any, tmp_path: Path, change: dict[str, Any], field: str) -> None:
    said = refused("coco-amodal", "--file", cocoa(tmp_path / "x.json", CUP, {**region(2, "b", (1, 1, 9, 9)), **change}))
    assert "x.json: annotations 0 (id 3), region 2: " in said and f"{field} is" in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"depth_constraint": "1>2"}, "depth_constraint is '1>2'"),
        ({"depth_constraint": [1, 2]}, "depth_constraint is [1, 2]"),
        ({"image_id": "7"}, "image_id is '7'"),
        ({"image_id": 8}, "the file has no image of that id"),
        ({"regions": {}}, "regions is {}"),
    ],
)
def test_a_wrong_annotation_is_named(refused: Any, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    said = refused("coco-amodal", "--file", cocoa(tmp_path / "x.json", CUP, **{"regions": [CUP], **change}))
    assert "annotations 0 (id 3)" in said and words in said


@pytest.mark.parametrize("lacking", ["segmentation", "name", "order", "occlude_rate"])
def test_a_missing_field_is_named(refused: Any, tmp_path: Path, lacking: str) -> None:
    found = {name: value for name, value in CUP.items() if name != lacking}
    assert f"the field '{lacking}' is missing" in refused("coco-amodal", "--file", cocoa(tmp_path / "x.json", found))


def test_a_file_of_another_kind_is_named(refused: Any, tmp_path: Path) -> None:
    assert "it has no images" in refused("coco-amodal", "--file", document(tmp_path / "x.json", {"annotations": []}))
    (tmp_path / "cut.json").write_text(json.dumps({"images": [IMAGE]})[:-9])
    assert "not JSON" in refused("coco-amodal", "--file", tmp_path / "cut.json")


@pytest.mark.parametrize(
    ("name", "size", "occluded"),
    [
        ("COCO_val2014_000000188819.annotation.json", (640, 480), 1),
        ("COCO_val2014_000000328805.annotation.excerpt.json", (480, 640), 4),
    ],
)
def test_real_annotations(
    formats: Path, tmp_path: Path, convert: Any, name: str, size: tuple[int, int], occluded: int
) -> None:
    annotation = json.loads((formats / "coco_amodal" / name).read_text())
    image = {"id": annotation["image_id"], "file_name": "x.jpg", "width": size[0], "height": size[1]}
    file = document(tmp_path / "x.json", {"images": [image], "annotations": [annotation]})
    found = convert("coco-amodal", "--file", file, "--names", "all", "--stuff")
    assert len(found) == len(annotation["regions"])
    assert [sample.depth_order for sample in found] == [one["order"] for one in annotation["regions"]]
    assert sum(sample.visible_fraction < 1 for sample in found) == occluded
    for sample, one in zip(found, annotation["regions"], strict=True):
        assert sample.visible_fraction == pytest.approx(1 - one["occlude_rate"])
        assert all(v >= a for v, a in zip(sample.bbox[:2], sample.amodal_bbox[:2], strict=True))
        assert all(v <= a for v, a in zip(sample.bbox[2:], sample.amodal_bbox[2:], strict=True))
    if occluded == 1:
        assert found[1].occluders == ("phone",)


def test_real_photographs(photographs: Path, tmp_path: Path, convert: Any) -> None:
    boxes = json.loads((photographs / "amodal" / "boxes.json").read_text())
    names = list(dict.fromkeys(one["file"] for one in boxes))
    sizes = {"COCO_val2014_000000281533.jpg": (640, 434), "COCO_val2014_000000543525.jpg": (426, 640)}
    images = [
        {
            "id": n,
            "file_name": name,
            "width": sizes.get(name, (1920, 1440))[0],
            "height": sizes.get(name, (1920, 1440))[1],
        }
        for n, name in enumerate(names)
    ]
    annotations = [
        {
            "id": n,
            "image_id": n,
            "regions": [
                region(order, f"thing {order}", tuple(one["amodal_xyxy"]))
                for order, one in enumerate((b for b in boxes if b["file"] == name), 1)
            ],
        }
        for n, name in enumerate(names)
    ]
    file = document(tmp_path / "x.json", {"images": images, "annotations": annotations})
    found = convert("coco-amodal", "--file", file, "--images", photographs / "amodal/images", missing=0)
    assert [list(sample.amodal_bbox) for sample in found] == [one["amodal_xyxy"] for one in boxes]


def test_an_outline_may_be_a_list_of_parts(tmp_path: Path) -> None:
    parted = {**BOOK, "segmentation": [outline(4.25, 12, 40.5, 40)]}
    kept = read_layout(cocoa(tmp_path / "x.json", CUP, parted), Tally())
    assert kept.found[1].amodal == (4.25, 12, 40.5, 40)


def hidden_cup(seen: tuple[int, ...], behind: tuple[int, ...], rate: float = 0.25) -> dict[str, Any]:
    masks = {"visible_mask": rle(*seen), "invisible_mask": rle(*behind)}
    return region(1, "cup", (0, 0, 40, 40), occlude_rate=rate, **masks)


def test_exchanged_masks_are_named_and_not_learnt(convert, refused, tmp_path):
    """A file whose visible masks hold what is hidden would teach the hidden part as the visible box."""
    right, wrong = hidden_cup((0, 0, 40, 30), (0, 30, 40, 40)), hidden_cup((0, 30, 40, 40), (0, 0, 40, 30))
    assert "exchanged" in refused("coco-amodal", "--file", cocoa(tmp_path / "a.json", wrong), "--names", "all")
    some = [{**right, "order": n, "name": f"cup {n}"} for n in range(2, 5)]
    assert len(convert("coco-amodal", "--file", cocoa(tmp_path / "a.json", wrong, *some), "--names", "all")) == 4
    assert "region 1" in convert.said and "may be exchanged there" in convert.said


def test_more_seen_than_there_is_is_left_out_by_its_annotation(convert, tmp_path):
    larger = region(2, "pot", (0, 0, 20, 20), occlude_rate=0.1, visible_mask=rle(0, 0, 40, 40))
    file = cocoa(tmp_path / "a.json", region(1, "cup", (0, 0, 40, 40)), larger)
    assert [one.sent for one in convert("coco-amodal", "--file", file)] == ["cup"]
    assert "left out 1: objects of which more is seen than there is" in convert.said and "region 2" in convert.said
