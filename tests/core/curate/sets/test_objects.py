"""Which objects of the amodal files are asked for: filters, images kept out, one object a frame, splits."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from set_files import HALF_HIDDEN as HALF
from set_files import REGIONS, coco_amodal, region, tao_amodal

from egm_core.curate.sets.excluded import Excluded, read
from egm_core.curate.sets.filters import Filters
from egm_core.curate.sets.sources import coco, objects, tao
from egm_core.sample import Sample, write_samples

NONE = Excluded()
# Nothing hidden; hidden by the frame's edge alone; hidden more than the first.
FULL = {"bbox": [100, 20, 50, 60], "amodal_bbox": [100, 20, 50, 60], "visibility": 1.0}
LEAVING = {"bbox": [150, 20, 50, 60], "amodal_bbox": [150, 20, 150, 60], "visibility": 0.33}
MORE = {"bbox": [10, 90, 30, 40], "amodal_bbox": [10, 90, 100, 40], "visibility": 0.3}


def named(found) -> list[str]:
    return [sample.sent for sample in found.samples]


def test_occluded_things_of_a_size_are_asked_for_and_the_others_counted(tmp_path):
    file = coco_amodal(
        tmp_path / "COCO_amodal_train2014.json",
    )
    found = objects([coco([file], None)], Filters(), NONE)
    assert named(found) == ["mug", "mug"], "names that several objects have stay: expressions are still to be written"
    assert found.samples[0].occluders == ("box",) and found.samples[0].occluder_boxes == ((80, 40, 160, 120),)
    (told,) = found.left_out.values()
    assert {why.split(";")[0]: count for why, count in told.items()} == {
        "regions of stuff, such as sky and wall": 1, "nothing is hidden": 1,
        "a side of its visible box is below 16 pixels": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (Filters(occluded_only=False), ["box", "mug", "mug"]),
        (Filters(least_side=4), ["mug", "mug", "crumb"]),
        (Filters(stuff=True), ["mug", "mug", "wall"]),
        (Filters(least_share=0.1), ["mug"]),
        (Filters(least_hidden=0.39), ["mug"]),
        (Filters(least_seen=0.61), ["mug"]),
        (Filters(per_image=1), ["mug"]),
    ],
)
def test_each_filter_is_an_option(tmp_path, filters, names):
    file = coco_amodal(tmp_path / "COCO_amodal_train2014.json")
    assert named(objects([coco([file], None)], filters, NONE)) == names


def test_wholly_hidden_objects_are_left_out_by_name(tmp_path):
    hidden = region(2, "lid", (90, 50, 150, 110), visible_mask=None, occlude_rate=1.0)
    hidden |= {"visible_mask": {"size": [150, 200], "counts": [150 * 200]}}
    file = coco_amodal(tmp_path / "x_train.json", regions=(REGIONS[0], hidden))
    found = objects([coco([file], None)], Filters(), NONE)
    assert not found.samples and found.left_out["COCO-Amodal"]["nothing of it is seen"] == 1


def test_one_object_of_a_frame_the_one_hidden_most(tmp_path):
    file = tao_amodal(tmp_path / "train.json", HALF, FULL, LEAVING, MORE, frames=2)
    found = objects([tao([file], None)], Filters(), NONE)
    assert [sample.visible_fraction for sample in found.samples] == [0.3, 0.3]
    told = found.left_out["TAO-Amodal"]
    assert told["more than 1 of its image: those hidden most are kept"] == 2
    assert told["it goes on beyond the image alone, and its truth is cut there"] == 2
    every = objects([tao([file], None)], Filters(per_frame=0, beyond_frame=True), NONE)
    assert [sample.visible_fraction for sample in every.samples] == [0.4, 0.33, 0.3] * 2


def test_the_same_object_is_chosen_whatever_the_order_of_a_file(tmp_path):
    alike = [{**HALF, "bbox": [10, y, 40, 60], "amodal_bbox": [10, y, 100, 60], "id": f"1_1_{y}"} for y in (5, 30, 60)]
    chosen = set()
    for number, order in enumerate((alike, alike[::-1])):
        file = tao_amodal(tmp_path / str(number) / "train.json", *order)
        (sample,) = objects([tao([file], None)], Filters(), NONE).samples
        chosen.add(sample.annotation_id)
    assert len(chosen) == 1


@pytest.mark.parametrize("kind", ["refer", "samples", "coco"])
def test_images_of_evaluation_splits_are_kept_out_by_id(tmp_path, kind):
    file = coco_amodal(tmp_path / "COCO_amodal_train2014.json", (7, 8, 9))
    if kind == "refer":
        refs = [{"ref_id": n, "ann_id": n, "image_id": image, "category_id": 1, "split": split, "file_name": "x",
                 "sent_ids": [n], "sentences": [{"sent_id": n, "sent": "a", "raw": "A", "tokens": ["a"]}]}
                for n, (image, split) in enumerate([(7, "testA"), (8, "train"), (9, "val")])]  # fmt: skip
        given = tmp_path / "refs(unc).p"
        given.write_bytes(pickle.dumps(refs, 2))
    elif kind == "samples":
        given = tmp_path / "val.jsonl"
        splits = {"7": "val", "8": "train", "9": "test"}
        write_samples(given, [Sample("other.png", "a", None, None, None, 5, 5, source="RefCOCO+", split=split,
                                     image_id=image) for image, split in splits.items()])  # fmt: skip
    else:
        given = coco_amodal(tmp_path / "COCO_amodal_val2014.json", (7, 9), kind="val2014")
    excluded = read([given])
    found = objects([coco([file], None)], Filters(), excluded)
    assert {sample.image_id for sample in found.samples} == {"8"}
    assert found.left_out["COCO-Amodal"]["its image is in an evaluation split"] == 8
    assert excluded.words() == [f"2 images of {given.name} are to be kept out"]


def test_frames_and_images_of_one_number_are_not_the_same(tmp_path):
    file = tao_amodal(tmp_path / "train.json", HALF, frames=8)
    other = coco_amodal(tmp_path / "COCO_amodal_val2014.json", (7,), kind="val2014")
    assert len(objects([tao([file], None)], Filters(), read([other])).samples) == 8
    same = tao_amodal(tmp_path / "validation.json", HALF, frames=3)
    assert len(objects([tao([file], None)], Filters(), read([same])).samples) == 5


def test_a_file_without_evaluation_pictures_is_an_error(tmp_path):
    write_samples(tmp_path / "t.jsonl", [Sample("a.png", "a", None, None, None, 5, 5, split="train")])
    with pytest.raises(ValueError, match="is it the right file"):
        read([tmp_path / "t.jsonl"])
    with pytest.raises(ValueError, match="stand in"):
        read([Path("x.txt")])


def test_a_set_is_made_of_its_own_splits():
    with pytest.raises(ValueError, match="is of split val by its name"):
        coco([Path("COCO_amodal_val2014.json")], None).check(training=True)
    with pytest.raises(ValueError, match="made of val or test"):
        coco([Path("COCO_amodal_train2014.json")], None).check(training=False)
    coco([Path("x.json")], None, "train").check(training=True)
    coco([Path("COCO_amodal_test2014.json")], None).check(training=False)


def test_objects_without_their_image_are_left_out_and_many_are_an_error(tmp_path):
    file = coco_amodal(tmp_path / "COCO_amodal_train2014.json", (7, 8))
    (tmp_path / "COCO_train2014_000000000008.jpg").unlink()
    with pytest.raises(
        ValueError, match=r"1 of 2 images of COCO-Amodal are missing, .*000000000008\.jpg.*--coco-images"
    ):
        objects([coco([file], None)], Filters(), NONE)
    found = objects([coco([file], None)], Filters(), NONE, 0.5)
    assert {sample.image_id for sample in found.samples} == {"7"}
    assert found.left_out["COCO-Amodal"]["its image is not there"] == 2


def test_missing_images_are_looked_for_and_the_folder_that_has_them_is_named(tmp_path):
    file = coco_amodal(tmp_path / "coco" / "COCO_amodal_train2014.json", (7,))
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match=f"--coco-images {tmp_path / 'coco'}, or allow"):
        objects([coco([file], tmp_path / "other")], Filters(), NONE)
