"""REFER's files: sentences become samples, splits are REFER's own, and a pickle can run nothing."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from refer_files import ANNOTATION, IMAGE, INSTANCES, REF, ref, write

from egm_core.data.readers.kind import DataError
from egm_core.data.readers.referring.refer import matches
from egm_core.data.readers.shared.plain_pickle import load


def changed(base: Any, *path: Any, to: Any) -> Any:
    """Give a copy with one value replaced, or taken away where it is `...`."""
    made = deepcopy(base)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    if to is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return made


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_each_sentence_is_a_sample(tmp_path: Path, convert, protocol: int) -> None:
    first, second = convert("refer", "--root", write(tmp_path / "refcoco+", [REF], protocol=protocol))
    assert (first.sent, second.sent) == ("the lady", "blue shirt")
    assert first.bbox == pytest.approx((103.93, 299.99, 238.15, 477.41))
    assert (first.width, first.height, first.source, first.split) == (427, 640, "RefCOCO+", "train")
    ids = (second.image_id, second.annotation_id, second.ref_id, second.sentence_id, second.category)
    assert ids == ("581857", "1719310", "0", "1", "person")
    # The picture is that of image_id; the reference's own name has an annotation's suffix.
    assert Path(first.image).name == "COCO_train2014_000000581857.jpg"
    assert "2 samples on 1 pictures" in convert.said and "CC BY 4.0" in convert.said


@pytest.mark.parametrize(
    ("split", "asked", "belongs"),
    [
        ("testA", "testA", True),
        ("testAB", "testA", True),
        ("testAB", "testB", True),
        ("testAC", "testB", False),
        ("testB", "test", True),
        ("test", "test", True),
        ("test", "testA", False),
        ("train", "train", True),
        ("val", "train", False),
        ("testAB", "testAB", True),
        ("testA", "testAB", False),
    ],
)
def test_splits_are_matched_as_refers_own_code_does(split: str, asked: str, belongs: bool) -> None:
    assert matches(split, asked) is belongs


def test_a_reference_comes_once_for_each_split_that_is_named(tmp_path: Path, convert) -> None:
    refs = [ref(0, "train"), ref(1, "val"), ref(2, "testA"), ref(3, "testAB"), ref(4, "testB")]
    root = write(tmp_path / "refclef", refs)
    samples = convert("refer", "--root", root, "--split", "val", "testA", "test")
    assert [(s.ref_id, s.split) for s in samples] == [("1", "val"), ("2", "testA"), ("3", "testA"), ("4", "testB")]
    assert [s.ref_id for s in convert("refer", "--root", root, "--split", "testB")] == ["3", "4"]
    for both in (("testA", "testB"), ("testB", "testA")):
        each = [(s.ref_id, s.split) for s in convert("refer", "--root", root, "--split", *both)]
        assert each == [("2", "testA"), ("3", "testA"), ("3", "testB"), ("4", "testB")]


def test_several_roots_and_partitions(tmp_path: Path, convert) -> None:
    one = write(tmp_path / "refcoco", [ref(0, "val")])
    two = write(tmp_path / "refcocog", [ref(0, "test")], name="refs(umd).p")
    write(tmp_path / "refcocog", [ref(0, "val"), ref(1, "val")], name="refs(google).p")
    assert [s.source for s in convert("refer", "--root", one, two)] == ["RefCOCO", "RefCOCOg"]
    assert len(convert("refer", "--root", two, "--partition", "google")) == 2
    convert("refer", "--root", one, two, "--split", "test")
    assert "refs(unc).p has no reference of test; it has val" in convert.said


def test_a_split_that_is_lacking_among_others_is_said_with_those_that_are_there(tmp_path: Path, convert) -> None:
    root = write(tmp_path / "refcoco", [ref(0, "train"), ref(1, "testA")])
    assert len(convert("refer", "--root", root, "--split", "train", "val")) == 1
    assert "no reference is of val; there are train, testA" in convert.said
    other = write(tmp_path / "refcoco+", [ref(0, "val")])
    assert len(convert("refer", "--root", root, other, "--split", "train", "val")) == 2
    assert "no reference is of" not in convert.said


def test_bytes_and_latin_1_of_python_2_become_text(tmp_path: Path, convert) -> None:
    # What Python 2 wrote: its str are byte strings, here in UTF-8 and in latin-1.
    old = pickle.dumps([changed(REF, "sentences", 0, "sent", to="CAFE")], 0)
    assert b"VCAFE\n" in old
    root = write(tmp_path / "refcoco", [])
    for stored, text in ((b"S'caf\\xc3\\xa9 bar'\n", "café bar"), (b"S'caf\\xe9 bar'\n", "café bar")):
        (root / "refs(unc).p").write_bytes(old.replace(b"VCAFE\n", stored))
        assert convert("refer", "--root", root)[0].sent == text

    def encoded(value: Any) -> Any:
        if isinstance(value, dict):
            return {encoded(key): encoded(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [encoded(inner) for inner in value]
        return value.encode() if isinstance(value, str) else value

    write(root, encoded([REF]), protocol=4)
    assert [s.sent for s in convert("refer", "--root", root)] == ["the lady", "blue shirt"]


class Harmful:
    """What a pickle must not be able to do."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (Harmful(), "builtins.exec"),
        (complex(1, 2), "builtins.complex"),
        ({1, 2}, "builtins.set"),
        (Path("x"), "pathlib.PosixPath"),
        (DataError, "egm_core.data.readers.kind.DataError"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2])
def test_no_global_of_a_pickle_is_loaded(tmp_path: Path, refused, harm: Any, named: str, protocol: int) -> None:
    named = named.replace("builtins", "__builtin__") if protocol < 3 else named
    said = refused("refer", "--root", write(tmp_path / "refcoco", [{**REF, "raw": harm}], protocol=protocol))
    assert "it names " in said and "which could run code" in said
    assert named.rpartition(".")[2] in said or "copy_reg" in said


@pytest.mark.parametrize("data", [b"", b"nonsense", pickle.dumps([REF])[:-20], b"\x80\x04K\x01\x82\xff.", b"Pid\n."])
def test_broken_pickles_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "refs(unc).p").write_bytes(data)
    with pytest.raises(DataError, match=r"refs\(unc\)\.p: (no whole pickle|it names)"):
        load(tmp_path / "refs(unc).p")


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        ((0, "ann_id"), 7, "ann_id is 7; {}/instances.json has no annotation of that id"),
        ((0, "ann_id"), "x", "ann_id is 'x'; a whole number must stand here"),
        ((0, "ann_id"), ..., "the field 'ann_id' is missing; the record has sent_ids, file_name"),
        ((0, "image_id"), 7, "image_id is 7; {}/instances.json has no image of that id"),
        ((0, "ref_id"), None, "ref 0: ref_id is None"),
        ((0, "split"), "dev", "split is 'dev'; one of train, val"),
        ((0, "split"), [], "split is []; a text"),
        ((0, "sentences"), "x", "ref 0 (ref_id 0): sentences is 'x'; a list"),
        ((0, "sentences", 1), 3, "ref 0 (ref_id 0), sentence 1: the record is 3; an object"),
        ((0, "sentences", 1, "sent"), 3, "sentence 1: sent is 3; a text"),
        ((0, "sentences", 1, "sent_id"), ..., "sentence 1: the field 'sent_id' is missing"),
        ((0,), 5, "ref 0: the record is 5"),
    ],
)
def test_wrong_references_are_named(tmp_path: Path, refused, path: tuple[Any, ...], to: Any, words: str) -> None:
    root = write(tmp_path / "refcoco", changed([REF], *path, to=to))
    said = refused("refer", "--root", root)
    assert "refs(unc).p: ref 0" in said and words.format(root) in said


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        (("annotations", 0, "bbox"), [1, 2, 3], "annotations 0: bbox is [1, 2, 3]; a list of 4 numbers"),
        (("annotations", 0, "bbox"), [1, 2, -3, 4], "left, top, width and height must stand here"),
        (("annotations", 0, "bbox"), [1, 2, float("nan"), 4], "bbox is [1, 2, nan, 4]"),
        (("annotations", 0, "image_id"), 9, "ref 0 (ref_id 0): image_id is 581857; its annotation 1719310 is of 9"),
        (("annotations", 0, "id"), ..., "annotations 0: the field 'id' is missing"),
        (("images", 0, "height"), "640", "images 0: height is '640'"),
        (("images", 0, "file_name"), ..., "images 0: the field 'file_name' is missing"),
        (("images",), ..., "it has no images; see that it is the right file"),
        (("annotations",), {}, "annotations is {}; a list must stand here"),
        (("categories", 0, "name"), 1, "categories 0: name is 1"),
    ],
)
def test_wrong_instances_are_named(tmp_path: Path, refused, path: tuple[Any, ...], to: Any, words: str) -> None:
    said = refused("refer", "--root", write(tmp_path / "refcoco", [REF], changed(INSTANCES, *path, to=to)))
    assert words in said


def test_files_that_are_none_are_named(tmp_path: Path, refused) -> None:
    root = write(tmp_path / "refcoco", [REF])
    assert "there are refs(unc).p; see --root" in refused("refer", "--root", root, "--partition", "google")
    (root / "instances.json").write_text(json.dumps(INSTANCES)[:-30])
    assert "instances.json: " in (said := refused("refer", "--root", root)) and "copy it anew" in said
    (root / "instances.json").write_bytes(b"\x1f\x8b\x08nonsense")
    assert "see that it is unpacked" in refused("refer", "--root", root)
    (root / "instances.json").unlink()
    assert "is not there" in refused("refer", "--root", root)
    write(root, {"refs": []})
    assert "a list of references must stand in it" in refused("refer", "--root", root)


def test_boxes_and_sentences_that_cannot_be_are_counted(tmp_path: Path, convert) -> None:
    wide = {**ANNOTATION, "id": 2, "bbox": [400, 10, 90, 10]}
    refs = [ref(0, "val", ("a", "  ")), {**ref(1, "val"), "ann_id": 2}]
    root = write(tmp_path / "refcoco", refs, {**INSTANCES, "annotations": [ANNOTATION, wide]})
    assert len(convert("refer", "--root", root)) == 1
    assert "1: references where the box leaves the picture" in convert.said and "(ref_id 1)" in convert.said
    assert "1: sentences without a word" in convert.said


def test_pictures_are_found_where_refer_has_them_and_in_an_archive(tmp_path: Path, convert) -> None:
    import zipfile

    from record_files import picture

    root = write(tmp_path / "data/refcoco", [REF])
    file = picture(tmp_path / "data/images/mscoco/images/train2014" / IMAGE["file_name"], 427, 640)
    assert convert("refer", "--root", root, missing=0)[0].image == str(file)
    with zipfile.ZipFile(tmp_path / "train2014.zip", "w") as archive:
        archive.write(file, f"train2014/{file.name}")
    (sample, _) = convert("refer", "--root", root, "--images", tmp_path / "train2014.zip", missing=0)
    assert sample.image == f"{tmp_path}/train2014.zip::train2014/{file.name}"


def test_the_first_reference_of_the_real_file(formats: Path, tmp_path: Path, convert) -> None:
    real = json.loads((formats / "refer/refcoco_unc_ref0.json").read_text())
    instances = {"categories": [{"id": 1, "name": "person"}], **real["instances.json"]}
    root = write(tmp_path / "refcoco", [real["refs(unc).p[0]"]], instances)
    samples = convert("refer", "--root", root)
    assert [s.sent for s in samples] == ["the lady with the blue shirt", "lady with back to us", "blue shirt"]
    assert samples[0].bbox == pytest.approx((103.93, 299.99, 238.15, 477.41))
    (root / "refs(unc).p").unlink()
    (root / "refs(unc).json").write_text(json.dumps([real["refs(unc).p[0]"]]))
    assert convert("refer", "--root", root) == samples


def test_a_base_name_that_an_archive_has_twice_is_missing_and_not_guessed(tmp_path: Path, refused) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "coco.zip", "w") as archive:
        for folder in ("train2014", "other"):
            archive.writestr(f"{folder}/{IMAGE['file_name']}", b"")
    root = write(tmp_path / "refcoco", [REF])
    said = refused("refer", "--root", root, "--images", tmp_path / "coco.zip", missing=0)
    assert "1 of 1 pictures are missing" in said


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("annotations", {"bbox": [1, 2, 3, 4]}, "the annotation id 1719310 stands for something else"),
        ("images", {"width": 99}, "the image id 581857 stands for something else"),
    ],
)
def test_an_id_of_two_things_is_refused(
    tmp_path: Path, refused, table: str, change: dict[str, Any], words: str
) -> None:
    instances = {**INSTANCES, table: [*INSTANCES[table], {**INSTANCES[table][0], **change}]}
    assert words in refused("refer", "--root", write(tmp_path / "refcoco", [REF], instances))


def test_what_stands_there_twice_is_said(tmp_path: Path, convert) -> None:
    root = write(tmp_path / "refcoco", [REF])
    assert len(convert("refer", "--root", root, root, missing=1)) == 4
    assert "2 samples stand there twice" in convert.said
    convert("refer", "--root", root, missing=1)
    assert "stand there twice" not in convert.said


def test_a_root_that_is_no_folder_is_named_so(tmp_path: Path, refused, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "refcocog", [REF])
    assert "it is a file; name the folder" in refused("refer", "--root", root / "refs(unc).p")
    assert "it is not there; name the folder" in refused("refer", "--root", tmp_path / "nowhere")
    monkeypatch.chdir(root)
    assert "no refs(umd).p" in refused("refer", "--root", "."), "the folder's name tells the data set"


def test_a_set_of_another_name_gets_no_licence_of_refcoco(tmp_path: Path, convert) -> None:
    """Files of the same layout are not the same data: a licence that nobody gave must not stand in a record."""
    for name, licensed in (("mine", False), ("refcoco+", True)):
        write(tmp_path / name, [ref(1, "val")])
        (sample,) = convert("refer", "--root", tmp_path / name, missing=1)
        assert bool(sample.licence) == licensed and ("no licence is recorded" in convert.said) != licensed
