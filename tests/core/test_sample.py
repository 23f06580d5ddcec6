"""The sample record: what is written comes back, and what can't be used is refused by file, line and field."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egm_core.sample import FIELDS, Sample, SampleError, from_record, read_samples, write_samples
from egm_core.sample.sound import sound

KINDS = (".jsonl", ".parquet")
RECORD = {"image": "a.png", "sent": "the red mug", "bbox": [10, 20, 30, 40.5], "height": 100, "width": 200}
FULL = Sample(
    image="images/a.png",
    sent='the "große" mug',
    bbox=(10.0, 20.0, 30.0, 40.5),
    amodal_bbox=(5.0, 20.0, 30.0, 100.0),
    visible_fraction=0.25,
    height=100,
    width=200,
    reasoning="The mug is at (100,300).",
    source="scenes",
    split="train",
    amodal_reasoning="The box hides its lower half.",
    task="amodal",
    image_id="581857",
    annotation_id="1719310",
    ref_id="0",
    sentence_id="2",
    licence="CC BY 4.0",
    occluders=("box", "hand"),
    depth_order=3,
    occluder_boxes=((1.0, 2.0, 5.5, 9.0), (30.0, 2.0, 40.0, 9.0)),
    mirrored=True,
    category="cup",
)
ABSENT = Sample("/elsewhere/b.png", "the dragon", None, None, None, 100, 200)


def lines(folder: Path, *records: object) -> Path:
    """Write records as they are into a JSONL file."""
    path = folder / "data.jsonl"
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records), encoding="utf-8")
    return path


def test_the_fields_are_the_ones_agreed_on():
    agreed = "image sent bbox amodal_bbox visible_fraction height width reasoning source split"
    origin = "image_id annotation_id ref_id sentence_id licence occluders depth_order mirrored category occluder_boxes"
    kinds = "world expression_kind"
    assert " ".join(FIELDS) == f"{agreed} amodal_reasoning task {origin} {kinds}"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_comes_back(tmp_path, kind):
    path = tmp_path / f"deep/data{kind}"
    own = dataclasses.replace(FULL, image=str(path.parent / FULL.image))
    assert write_samples(path, [own, ABSENT]) == 2
    assert list(read_samples(path)) == [own, ABSENT]
    moved = tmp_path / "moved"
    path.parent.rename(moved)
    assert [s.image for s in read_samples(moved / path.name)] == [str(moved / "images/a.png"), "/elsewhere/b.png"]
    assert [p.name for p in moved.iterdir()] == [path.name]


@settings(deadline=None)
@given(
    st.builds(
        lambda width, height, corner, size, sent, fraction: Sample(
            "/a.png",
            sent,
            (
                corner[0] * (width - 1),
                corner[1] * (height - 1),
                corner[0] * (width - 1) + size,
                corner[1] * (height - 1) + size,
            ),
            None,
            fraction,
            height,
            width,
            reasoning=sent,
        ),
        st.integers(2, 5000),
        st.integers(2, 5000),
        st.tuples(st.floats(0, 1), st.floats(0, 1)),
        st.floats(0.01, 1),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
        st.none() | st.floats(0, 1),
    )
)
@pytest.mark.parametrize("kind", KINDS)
def test_any_valid_sample_comes_back(tmp_path_factory, kind, sample):
    path = tmp_path_factory.getbasetemp() / f"any{kind}"
    write_samples(path, [sample])
    (back,) = read_samples(path)
    assert back.bbox == pytest.approx(sample.bbox)
    assert dataclasses.replace(back, bbox=sample.bbox) == sample


def test_records_of_the_benchmarks_are_read(tmp_path):
    path = lines(
        tmp_path, RECORD, "", {**RECORD, "id": 7, "conversations": []}, {"modal_bbox": [1, 2, 3, 4], **without("bbox")}
    )
    first, second, third = read_samples(path, image_root=Path("/coco"))
    assert first == second == Sample("/coco/a.png", "the red mug", (10, 20, 30, 40.5), None, None, 100, 200)
    assert third.bbox == (1, 2, 3, 4)


def without(*names: str) -> dict[str, object]:
    return {k: v for k, v in RECORD.items() if k not in names}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (without("bbox"), "'bbox' is missing; give four numbers, or null where the object is absent"),
        (without("sent"), "'sent' is missing"),
        ({**without("image"), "imgae": "a.png"}, "unknown field 'imgae'; did you mean 'image'"),
        ({**RECORD, "amodal_box": [1, 2, 3, 4]}, "unknown field 'amodal_box'; did you mean 'amodal_bbox'"),
        ({**RECORD, "sent": "  "}, "sent is '  '; give a text that is not empty"),
        ({**RECORD, "image": 7}, "image is 7"),
        ({**RECORD, "reasoning": 7}, "reasoning is 7"),
        ({**RECORD, "width": 0}, "width is 0"),
        ({**RECORD, "height": 99.5}, "height is 99.5"),
        ({**RECORD, "height": True}, "height is True"),
        ({**RECORD, "bbox": [1, 2, 3]}, r"bbox is \[1, 2, 3\]; give \[x0, y0, x1, y1\]"),
        ({**RECORD, "bbox": [1, 2, 3, "4"]}, "bbox is"),
        ({**RECORD, "bbox": [1, 2, 3, float("nan")]}, "bbox is"),
        ({**RECORD, "bbox": [1, 2, 3, 10**400]}, "bbox is"),
        ({**RECORD, "bbox": [30, 20, 10, 40]}, "has no area; boxes are"),
        ({**RECORD, "bbox": [10, 20, 30, 140]}, "leaves the image of 200 x 100; cut it at the image's edges"),
        ({**RECORD, "amodal_bbox": [-9000, 20, 30, 40]}, "amodal_bbox is .* far out of the image"),
        ({**RECORD, "amodal_bbox": [30, 20, 10, 40]}, "amodal_bbox is .* has no area"),
        ({**RECORD, "bbox": None, "amodal_bbox": [1, 2, 3, 4]}, "for a wholly hidden one visible_fraction 0"),
        ({**RECORD, "bbox": None, "amodal_bbox": [1, 2, 3, 4]}, "or task 'amodal' where the visible box is not known"),
        ({**RECORD, "occluders": "box"}, "occluders is 'box'; give a list of texts"),
        ({**RECORD, "occluder_boxes": [[1, 2, 3]]}, "occluder_boxes is .1, 2, 3.; give .x0, y0, x1, y1."),
        ({**RECORD, "occluder_boxes": "x"}, "occluder_boxes is 'x'; give a list of boxes"),
        ({**RECORD, "depth_order": 0}, "depth_order is 0; give a whole number, 1 for the object in front"),
        ({**RECORD, "mirrored": 1}, "mirrored is 1; give true or false"),
        ({**RECORD, "mirorred": True}, "unknown field 'mirorred'; did you mean 'mirrored'"),
        ({**RECORD, "image_id": [1]}, r"image_id is \[1\]; give a text"),
        ({**RECORD, "visible_fraction": 1.5}, "visible_fraction is 1.5"),
        ({**RECORD, "task": "modal"}, "task is 'modal'; give visible or amodal"),
        ([1, 2], "a record must be an object"),
        ("{not json", "not JSON"),
    ],
)
def test_bad_records_name_file_line_field_and_remedy(tmp_path, bad, message):
    path = lines(tmp_path, RECORD, bad)
    samples = read_samples(path)
    assert next(samples).sent == "the red mug"
    with pytest.raises(SampleError, match=rf"data\.jsonl:2: .*{message}"):
        next(samples)


def test_a_record_asks_for_what_it_knows_and_a_task_narrows_it():
    unknown = dataclasses.replace(FULL, amodal_bbox=None, task="")
    both = dataclasses.replace(FULL, task="")
    asked = [[task for task in ("visible", "amodal") if s.asks(task)] for s in (both, FULL, unknown, ABSENT)]
    assert asked == [["visible", "amodal"], ["amodal"], ["visible"], ["visible", "amodal"]]
    assert (FULL.truth("visible"), FULL.truth("amodal")) == (FULL.bbox, FULL.amodal_bbox)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'{"image": "\xff\xff"}\n')
    with pytest.raises(SampleError, match=r"data\.jsonl:1: not JSON"):
        list(read_samples(path))


def test_boxes_that_stand_out_by_rounding_are_clipped(tmp_path):
    (sample,) = read_samples(lines(tmp_path, {**RECORD, "bbox": [-0.4, 20, 200.6, 40]}))
    assert sample.bbox == (0, 20, 200, 40)


@pytest.mark.parametrize(("name", "message"), [("x.csv", "end in .jsonl or .parquet"), ("x.jsonl", "no such file")])
def test_files_that_are_none_are_refused(tmp_path, name, message):
    with pytest.raises(SampleError, match=message):
        list(read_samples(tmp_path / name))
    if name == "x.csv":
        with pytest.raises(SampleError, match=message):
            write_samples(tmp_path / name, [ABSENT])


def test_a_broken_parquet_file_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(SampleError, match="not a parquet file"):
        list(read_samples(tmp_path / "x.parquet"))


@pytest.mark.parametrize("kind", KINDS)
def test_bad_samples_are_not_written_and_leave_the_old_file(tmp_path, kind):
    path = tmp_path / f"data{kind}"
    write_samples(path, [ABSENT])
    with pytest.raises(SampleError, match=rf"data\{kind}:2: bbox .* leaves the image"):
        write_samples(path, [ABSENT, dataclasses.replace(FULL, bbox=(0, 0, 999, 999))])
    assert list(read_samples(path)) == [ABSENT]


@pytest.mark.parametrize("kind", KINDS)
def test_files_stream(tmp_path, kind):
    path = tmp_path / f"data{kind}"
    many = (dataclasses.replace(ABSENT, sent=f"thing {i}") for i in range(3000))
    assert write_samples(path, many) == 3000
    assert [s.sent for s in itertools.islice(read_samples(path), 2)] == ["thing 0", "thing 1"]
    assert [s.sent for s in read_samples(path)] == [f"thing {i}" for i in range(3000)]


def test_pandas_reads_the_parquet_files(tmp_path):
    pandas = pytest.importorskip("pandas")
    write_samples(tmp_path / "data.parquet", [FULL, ABSENT])
    table = pandas.read_parquet(tmp_path / "data.parquet")
    assert list(table.columns) == list(FIELDS)
    assert np.allclose(table.bbox[0], FULL.bbox)
    assert table.bbox[1] is None


def test_amodal_boxes_are_kept_whole_and_asked_for_within_the_image(tmp_path):
    leaves = dataclasses.replace(FULL, amodal_bbox=(-14.5, 20.0, 30.0, 107.8), task="")
    beyond = dataclasses.replace(leaves, amodal_bbox=(-40.0, 20.0, -1.0, 90.0), bbox=None, visible_fraction=0.0)
    write_samples(tmp_path / "x.jsonl", [leaves, beyond])
    first, second = read_samples(tmp_path / "x.jsonl")
    assert (first.amodal_bbox, first.truth("amodal")) == ((-14.5, 20.0, 30.0, 107.8), (0, 20, 30, 100))
    assert (second.amodal_bbox, second.truth("amodal"), second.asks("amodal")) == (beyond.amodal_bbox, None, False)


def test_a_hidden_object_is_asked_for_by_its_amodal_box_alone(tmp_path):
    path = lines(tmp_path, {**RECORD, "bbox": None, "amodal_bbox": [1, 2, 3, 4], "visible_fraction": 0})
    (hidden,) = read_samples(path)
    assert not hidden.absent and ABSENT.absent
    assert [task for task in ("visible", "amodal") if hidden.asks(task)] == ["amodal"]


def test_what_says_nothing_is_not_written_and_ids_may_be_numbers(tmp_path):
    write_samples(tmp_path / "x.jsonl", [ABSENT])
    assert list(json.loads((tmp_path / "x.jsonl").read_text())) == list(FIELDS[: FIELDS.index("task") + 1])
    (sample,) = read_samples(lines(tmp_path, {**RECORD, "image_id": 581857, "ref_id": 3.0, "license": 4, "ids": []}))
    assert (sample.image_id, sample.ref_id, sample.licence) == ("581857", "3", "")


@pytest.mark.parametrize(
    ("image", "resolved"),
    [
        ("coco.zip::train2014/a.jpg", "{}/coco.zip::train2014/a.jpg"),
        ("/x/RefCOCO.tsv::image::12", "/x/RefCOCO.tsv::image::12"),
        ("val.parquet::image::3", "{}/val.parquet::image::3"),
        ("https://host//a.jpg", "https://host//a.jpg"),
        ("odd::name.jpg", "{}/odd::name.jpg"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_references_to_pictures_are_resolved_by_their_container(tmp_path, kind, image, resolved):
    path = tmp_path / f"data{kind}"
    write_samples(path, [dataclasses.replace(ABSENT, image=resolved.format(tmp_path))])
    assert [s.image for s in read_samples(path)] == [resolved.format(tmp_path)]
    if kind == ".jsonl":
        assert json.loads(path.read_text())["image"] == image


def test_a_file_that_fails_leaves_nothing_behind(tmp_path):
    with pytest.raises(SampleError):
        write_samples(tmp_path / "x.jsonl", [dataclasses.replace(FULL, sent="")])
    assert not list(tmp_path.iterdir())


def test_relative_images_are_seen_from_the_working_folder_of_the_moment(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        write_samples(tmp_path / "x.jsonl", [dataclasses.replace(ABSENT, image="a.png")])
        assert json.loads((tmp_path / "x.jsonl").read_text())["image"] == f"{name}/a.png"


NUMBERS = st.sampled_from(
    [0, 1, 3, 5.5, 100, 100.5, 200, -0.5, -1.5, 1e12, float("nan"), float("inf"), True, "4", None]
)
BOXES = (
    st.none() | st.lists(NUMBERS, min_size=3, max_size=5).map(tuple) | st.just((1.0, 2.0, 3.0, 4.0)) | st.just([1, 2])
)
TEXTS = st.sampled_from(["", " ", "mug", "große", "\ud83d", 3, None])


@settings(deadline=None, max_examples=500)
@given(
    st.fixed_dictionaries(
        {"image": TEXTS, "sent": TEXTS, "bbox": BOXES, "amodal_bbox": BOXES, "visible_fraction": NUMBERS},
        optional={
            "height": NUMBERS,
            "width": NUMBERS,
            "licence": TEXTS,
            "task": st.sampled_from(["", "amodal", "seen"]),
            "occluders": st.sampled_from([(), ("a",), ("a", "\ud83d"), (3,), [3], "a", None]),
            "occluder_boxes": st.sampled_from([(), ((5, 5, 1, 1),), ((1, 1, 5, 5.5),), ((1, 1, 5, 999),), (None,), 3]),
            "depth_order": st.sampled_from([None, 0, 2, True, 2.0, 10**12]),
            "mirrored": st.sampled_from([False, True, 1]),
        },
    )
)
def test_what_is_taken_for_sound_is_right(values):
    """Writing takes the word of the quick look, so it must never call right what the whole check refuses."""
    sample = Sample(**({"height": 100, "width": 200} | values))
    if sound(sample, sample.image):
        from_record(dataclasses.asdict(sample), "x")


def test_half_a_character_in_a_list_of_names_is_refused(tmp_path):
    """It was an error of Python's codec, without the record or the field."""
    with pytest.raises(SampleError, match=r"occluders is .*half of a character"):
        write_samples(tmp_path / "a.jsonl", [dataclasses.replace(FULL, occluders=("box", "\ud83d"))])


def test_the_quick_look_knows_plain_samples(monkeypatch, tmp_path):
    """Most samples of RefCOCO and of COCO-Amodal are such: to check them twice took up to a third of the time."""
    monkeypatch.setattr("egm_core.sample.files.from_record", None)
    plain = Sample("a.png", "the mug", (1.0, 2.0, 3.0, 4.0), None, None, 9, 9)
    hides = {"occluders": ("box", "hand"), "occluder_boxes": ((3.0, 2.0, 5.0, 4.0),), "depth_order": 2}
    hidden = dataclasses.replace(plain, amodal_bbox=(1.0, 2.0, 5.0, 4.0), visible_fraction=0.5, **hides)
    assert write_samples(tmp_path / "a.jsonl", [plain, hidden]) == 2
