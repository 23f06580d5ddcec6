"""Questions of sample files: their names, groups, and what is left out."""

from __future__ import annotations

from collections import Counter

import pytest
from sample_oracles import BOX, questions, sample

from egm_core.evaluate.samples.questions import Question, read_questions, subset
from egm_core.evaluate.samples.results import sizes
from egm_core.evaluate.samples.wording import length, wordings, words
from egm_core.sample import write_samples


@pytest.mark.parametrize(
    ("sent", "kinds"),
    [
        ("the mug that is not red", ("negation", "attribute")),
        ("man without a hat", ("negation",)),
        ("bright cup", ("attribute",)),
        ("cup on the right", ("relational", "spatial")),
        ("the upright piano", ("plain",)),
        ("girl third from left", ("spatial",)),
        ("chair next to striped chair", ("relational", "attribute")),
        ("person", ("plain",)),
        ("the notebook", ("plain",)),
        ("the one that isn't facing us", ("negation", "relational")),
    ],
)
def test_kinds_go_by_whole_words(sent, kinds):
    assert wordings(sent) == kinds


def test_words_are_counted_as_they_are_read():
    assert words("man's t-shirt, blue") == 3
    assert [length(" ".join(["a"] * n)) for n in (1, 2, 3, 6, 11, 40)] == [
        "1 to 2", "1 to 2", "3 to 5", "6 to 10", "11 or more", "11 or more",
    ]  # fmt: skip


def test_names_are_the_same_wherever_the_files_lie(tmp_path):
    names = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        names.append([q.name for q in questions(folder, [sample(folder / "a.png"), sample(folder / "a.png", "cup")])])
    assert names[0] == names[1]
    assert len(set(names[0])) == 2


def test_a_question_that_is_there_twice_has_two_names(tmp_path):
    found = questions(tmp_path, [sample("a.png"), sample("a.png")])
    assert len({q.name for q in found}) == 2


def test_what_has_no_question_is_counted_by_reason(tmp_path):
    hidden = sample("a.png", bbox=None, amodal_bbox=BOX, visible_fraction=0.0)
    file = tmp_path / "s.jsonl"
    write_samples(file, [sample("a.png"), hidden, sample("b.png", task="visible", amodal_bbox=BOX)])
    visible, amodal = (read_questions([file], task) for task in ("visible", "amodal"))
    assert len(visible.questions) == 2
    assert visible.left_out == Counter({"its object is wholly hidden: it has no visible box": 1})
    assert len(amodal.questions) == 1
    assert sorted(amodal.left_out.values()) == [1, 1]


def test_pictures_of_several_sets_are_one_cluster_and_mirrored_ones_another(tmp_path):
    one, two, three = questions(
        tmp_path,
        [sample("a.png", image_id="7", source="RefCOCO"), sample("b.png", image_id="7", source="RefCOCO+"),
         sample("a.png", image_id="7", mirrored=True)],
    )  # fmt: skip
    assert one.cluster == two.cluster != three.cluster


def test_one_number_in_two_data_sets_is_not_one_picture(tmp_path):
    """Intervals are by picture: that two data sets count from 1 does not make their answers depend on each other."""
    found = questions(
        tmp_path,
        [sample("a.png", image_id="7", source="kitchen"), sample("b.png", image_id="7", source="office"),
         sample("c.png", image_id="7", source="kitchen"), sample("d.png", image_id="7"), sample("e.png", image_id="7"),
         sample("f/COCO_train2014_000000000009.jpg", source="office"), sample("g.png", image_id="9", source="RefCOCO")],
    )  # fmt: skip
    one, two, three, four, five, six, seven = (q.cluster for q in found)
    assert one == three and six == seven and len({one, two, four, five, six}) == 5


def test_rows_say_whether_they_are_refs_or_sentences(tmp_path):
    def told(ids):
        file = tmp_path / "s.jsonl"
        write_samples(file, [sample("a.png", f"cup {n}", ref_id=ref, image_id="1") for n, ref in enumerate(ids)])
        return read_questions([file], "visible").rows_are

    assert told(["1", "1", "2"]).startswith("rows are sentences: 3 of 2 refs on 1 images")
    assert told(["1", "2"]).startswith("rows are refs")
    assert "do not say" in told(["", ""])


def test_splits_of_another_size_than_the_fields_are_told(tmp_path):
    found = questions(tmp_path, [sample("a.png", source="refcoco_unc", split="testa", image_id="1")])
    assert found[0].split == "RefCOCO testA"
    assert sizes(found) == ["RefCOCO testA: 1 rows on 1 images, of 5657 sentences on 750 images"]


def test_others_of_a_category_are_counted_by_objects_not_by_rows(tmp_path):
    rows = [sample("a.png", f"s{n}", annotation_id=a, category=c) for n, (a, c) in
            enumerate([("1", "cup"), ("1", "cup"), ("2", "cup"), ("3", "dog")])]  # fmt: skip
    rows.append(sample("a.png", "none", annotation_id="4"))
    assert [q.distractors for q in questions(tmp_path, rows)] == ["1", "1", "1", "0", "unknown"]


@pytest.mark.parametrize(
    ("visible", "amodal", "fraction", "hiding", "seen"),
    [
        (BOX, BOX, 1.0, "IoU 1", "1"),
        (BOX, (20, 20, 220, 120), 0.5, "IoU 0.5 to 0.75", "0.5 to 0.75"),
        (BOX, (20, 20, 320, 120), 0.2, "IoU 0 to 0.5", "0 to 0.25"),
        (None, BOX, 0.0, "IoU 0 to 0.5", "0 (hidden)"),
    ],
)
def test_hidden_shares_are_binned(visible, amodal, fraction, hiding, seen):
    question = Question("q", "amodal", sample("a.png", bbox=visible, amodal_bbox=amodal, visible_fraction=fraction))
    assert (question.hiding, question.seen) == (hiding, seen)


def test_a_part_of_sentences_stays_sentences(tmp_path):
    """A part may hold each ref once; what a row is, is told by the whole file."""
    file = tmp_path / "s.jsonl"
    write_samples(file, [sample("a.png", f"cup {n}", ref_id=str(n // 2)) for n in range(8)])
    asked = read_questions([file], "visible")
    assert asked.rows_are.startswith("rows are sentences: 8 of 4 refs")
    assert subset(asked, 1, 0).rows_are == "rows are sentences: 1 of 1 refs on 1 images"


def test_a_part_is_drawn_by_name_and_keeps_the_order(tmp_path):
    file = tmp_path / "s.jsonl"
    samples = [sample("a.png", f"cup {n}") for n in range(50)]
    write_samples(file, samples)
    part = subset(read_questions([file], "visible"), 10, 42)
    write_samples(file, samples[::-1])
    other = subset(read_questions([file], "visible"), 10, 42)
    assert {q.name for q in part.questions} == {q.name for q in other.questions}
    assert [q.sample.sent for q in part.questions] == [q.sample.sent for q in other.questions][::-1]
    assert subset(read_questions([file], "visible"), 99, 1).questions == read_questions([file], "visible").questions


def test_frames_of_several_videos_are_pictures_of_their_own_in_any_order(tmp_path):
    paths = [tmp_path / video / f"frame{n}.png" for video in ("v1", "v2") for n in range(3)]
    samples = [sample(path, "the cup") for path in paths]
    file = tmp_path / "s.jsonl"
    found = []
    for order in (samples, samples[::-1], samples[:3]):
        write_samples(file, order)
        asked = read_questions([file], "visible")
        assert f"{len(order)} rows on {len(order)} images" in asked.rows_are
        assert len({q.cluster for q in asked.questions}) == len(order)
        found.append({q.sample.image: q.name for q in asked.questions})
    assert found[0] == found[1]
    assert found[2].items() <= found[0].items()


def test_pictures_outside_the_files_folder_are_told_apart_too(tmp_path):
    (tmp_path / "here").mkdir()
    samples = [sample(tmp_path / video / "frame.png") for video in ("v1", "v2")]
    names = {q.sample.image: q.name for q in questions(tmp_path / "here", samples)}
    assert names == {q.sample.image: q.name for q in questions(tmp_path / "here", samples[::-1])}
    assert len(set(names.values())) == 2 and not any(name.endswith("|2") for name in names.values())


def test_questions_that_differ_by_their_box_alone_have_names_in_any_order(tmp_path):
    samples = [sample("a.png", ref_id="1"), sample("a.png", bbox=(1.0, 1.0, 9.0, 9.0), ref_id="1")]
    ways = [{q.truth: q.name for q in questions(tmp_path, order)} for order in (samples, samples[::-1])]
    assert ways[0] == ways[1]
