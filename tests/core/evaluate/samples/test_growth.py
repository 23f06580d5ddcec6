"""How far whole objects stand out of what is seen: measured on a training file, and used toward the occluder."""

from __future__ import annotations

import json

import pytest
from sample_oracles import BOX, sample

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.samples.growth import Growth, facing, measured, read, written
from egm_core.sample import write_samples

RIGHT_OF_IT = (110.0, 10.0, 200.0, 130.0)
# BOX is 100 x 100 at (20, 20).
GROWN = (20.0, 20.0, 160.0, 120.0)
GROWTH = Growth(0.4, 3, (0.1, 0.0, 0.2, 0.0), 5, 4, "train.jsonl")


def occluded(number: int = 1, **fields):
    told = {"amodal_bbox": GROWN, "occluder_boxes": (RIGHT_OF_IT,), "visible_fraction": 0.7, "image_id": str(number)}
    return sample(f"{number}.png", **{**told, **fields})


@pytest.mark.parametrize(
    ("other", "sides"),
    [
        (RIGHT_OF_IT, "right"),
        ((0.0, 0.0, 30.0, 50.0), "left"),
        ((0.0, 100.0, 400.0, 200.0), "bottom"),
        ((0.0, 0.0, 70.0, 70.0), "left top"),
        ((120.0, 20.0, 140.0, 60.0), "right"),
        ((121.0, 20.0, 140.0, 60.0), ""),
        ((40.0, 40.0, 60.0, 60.0), ""),
        ((110.0, 130.0, 200.0, 190.0), ""),
    ],
)
def test_a_side_faces_what_touches_it_or_lies_across_it(other, sides):
    names = ("left", "top", "right", "bottom")
    assert " ".join(name for name, faces in zip(names, facing(BOX, [other]), strict=True) if faces) == sides


def test_the_mean_is_of_the_sides_that_face_an_occluder(tmp_path):
    file = tmp_path / "train.jsonl"
    write_samples(file, [
        occluded(1),
        occluded(2, amodal_bbox=(20.0, 20.0, 140.0, 120.0)),
        occluded(3, amodal_bbox=(0.0, 20.0, 120.0, 120.0), occluder_boxes=()),
        occluded(4, visible_fraction=1.0),
        occluded(5, bbox=None, visible_fraction=0.0),
    ])  # fmt: skip
    found = measured(file)
    assert (found.toward, found.facing) == (pytest.approx(0.3), 2)
    assert found.sides == pytest.approx((0.2 / 3, 0.0, 0.6 / 3, 0.0))
    assert (found.objects, found.pictures) == (3, 3)
    assert found.source.startswith("train.jsonl (sha256 ")


def test_a_box_grows_toward_its_occluder_else_on_all_sides_and_not_at_all_where_nothing_is_hidden():
    assert GROWTH.grown(occluded()) == pytest.approx(GROWN)
    assert GROWTH.grown(occluded(occluder_boxes=())) == pytest.approx((10.0, 20.0, 140.0, 120.0))
    assert GROWTH.grown(occluded(visible_fraction=1.0)) == BOX
    assert GROWTH.grown(occluded(bbox=None, visible_fraction=0.0)) is None


def test_a_command_measures_states_and_keeps_the_mean(tmp_path, capsys):
    write_samples(tmp_path / "train.jsonl", [occluded()])
    out = tmp_path / "growth.json"
    assert main(["growth", str(tmp_path / "train.jsonl"), "--out", str(out)]) == 0
    assert "toward the occluder 40.0 % of the visible side (1 sides)" in capsys.readouterr().out
    assert read(out) == measured(tmp_path / "train.jsonl") == read(tmp_path / "train.jsonl")


@pytest.mark.parametrize("text", ["{}", "[]", "no", json.dumps({**json.loads(written(GROWTH)), "more": 1})])
def test_another_json_file_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match="write it anew"):
        read(tmp_path / "x.json")


def test_a_file_without_hidden_parts_has_no_mean(tmp_path, capsys):
    write_samples(tmp_path / "train.jsonl", [occluded(visible_fraction=1.0)])
    assert main(["growth", str(tmp_path / "train.jsonl")]) == 2
    assert "no object" in capsys.readouterr().err


def test_growth_of_the_evaluated_file_is_warned_of(tmp_path, caplog):
    """Means of the very objects that are asked about flatter the baseline; the file's hash tells."""
    record = {"image": "a.png", "bbox": [10, 10, 20, 20], "amodal_bbox": [5, 5, 20, 20], "visible_fraction": 0.5,
              "height": 48, "width": 64}  # fmt: skip
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(record | {"sent": name}) + "\n")
    out, asked = tmp_path / "g.json", ["amodal", str(tmp_path / "a.jsonl"), "--without-model", "copy", "--growth"]
    assert main(["growth", str(tmp_path / "a.jsonl"), "--out", str(out)]) == 0
    for given, warned in ((out, True), (tmp_path / "a.jsonl", True), (tmp_path / "b.jsonl", False)):
        caplog.clear()
        assert main([*asked, str(given)]) == 0
        assert ("which is evaluated" in caplog.text) == warned
