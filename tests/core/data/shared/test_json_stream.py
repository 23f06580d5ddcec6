"""The streaming reader gives what Python's own decoder gives, wherever the windows end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egm_core.data.readers.kind import DataError
from egm_core.data.readers.shared import json_stream
from egm_core.data.readers.shared.json_stream import arrays

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.fixed_dictionaries({"id": st.integers(), "a": st.sampled_from(["}, {", "]", {"b": 1}, [{"c": 2}]])})
POLYGONS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=4), min_size=1, max_size=2)


@given(
    st.dictionaries(st.sampled_from(["a", "b", "ü"]), st.lists(VALUES | RECORDS, max_size=4)),
    VALUES,
    st.sampled_from([1, 2, 5, 30, 1 << 20]),
    st.sampled_from([None, 1]),
)
def test_it_reads_what_json_reads(tmp_path_factory, document, other, chunk, indent) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps({"other": other, **document}, indent=indent, ensure_ascii=False), encoding="utf-8")
    before, json_stream.CHUNK = json_stream.CHUNK, chunk
    try:
        found: dict[str, list[Any]] = {name: [] for name in document}
        for name, number, value in arrays(path, tuple(document)):
            assert number == len(found[name])
            found[name].append(value)
    finally:
        json_stream.CHUNK = before
    assert found == document


class Kept(TypedDict):
    """What the test asks for."""

    id: Any
    bbox: Any


OTHERS = VALUES | POLYGONS | st.just({"counts": [1], "size": [2, 3]}) | st.sampled_from([float("nan"), "]]", "\ud800"])


@given(
    st.lists(st.fixed_dictionaries({"id": st.integers(), "bbox": VALUES, "segmentation": OTHERS})),
    st.sampled_from([1, 3, 40, 100, 1 << 20]),
    st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", "  :\n ")]),
)
def test_fields_that_nobody_needs_change_nothing(tmp_path_factory, records, chunk, separators) -> None:
    path = tmp_path_factory.getbasetemp() / "thin.json"
    path.write_text(json.dumps({"other": records, "annotations": records}, separators=separators))
    before, json_stream.CHUNK = json_stream.CHUNK, chunk
    try:
        read = [record for _, _, record in arrays(path, ("annotations",), {"annotations": Kept})]
    finally:
        json_stream.CHUNK = before
    assert [(record["id"], record["bbox"]) for record in read] == [(one["id"], one["bbox"]) for one in records]


def test_what_is_not_needed_is_not_kept_and_what_lacks_is_told_by_all_that_is_there(tmp_path: Path) -> None:
    records = [{"id": i, "segmentation": [[1.5]], "bbox": [i]} for i in range(9)]
    (tmp_path / "x.json").write_text(json.dumps(records))
    read = [record for _, _, record in arrays(tmp_path / "x.json", keep={"": Kept})]
    # The last has no other behind it that tells where it ends.
    assert [set(record) for record in read[:-1]] == 8 * [{"id", "bbox"}]
    del records[4]["bbox"]
    (tmp_path / "x.json").write_text(json.dumps(records))
    assert [record for _, _, record in arrays(tmp_path / "x.json", keep={"": Kept})][4] == records[4]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON object"),
        ("3", "no JSON object"),
        ('{"a": [1, 2', "after a 2: not JSON: 'the end'"),
        ('{"a": [1, x]}', "a 2: not JSON"),
        ('{"a": [1 2]}', "after a 1: not JSON: '2', where one of , ]"),
        ('{"a": 3}', "a is 3; a list must stand here"),
        ('{"b": []}', "it has no a"),
        ('{"a" []}', "not JSON: '\\['"),
        ("{3: []}", "a name is 3|a name: not JSON"),
        ("[1]", "an array, where an object with a must stand"),
        ("[" * 100_000, "not JSON|an array"),
        ('{"a": [' + "[" * 100_000, "not JSON"),
    ],
)
def test_what_is_not_such_a_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=rf"x\.json: .*({words})"):
        list(arrays(tmp_path / "x.json", ("a",)))


def test_an_array_alone_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(" [1, [2]] ")
    assert list(arrays(tmp_path / "x.json")) == [("", 0, 1), ("", 1, [2])]
    (tmp_path / "x.json").write_bytes(b'{"a": ["\xff"]}')
    with pytest.raises(DataError, match="not UTF-8"):
        list(arrays(tmp_path / "x.json", ("a",)))


@pytest.mark.parametrize("more", ['{"a": [3]}', " []", "x", '\n\n"a"', ","])
def test_what_follows_the_end_is_never_read_over(tmp_path: Path, more: str) -> None:
    for whole, names in (('{"a": [1, 2]}', ("a",)), ("[1, 2]", ())):
        (tmp_path / "x.json").write_text(f"{whole} \n")
        assert len(list(arrays(tmp_path / "x.json", names))) == 2
        (tmp_path / "x.json").write_text(whole + more)
        with pytest.raises(DataError, match=r"x\.json: extra data after its end"):
            list(arrays(tmp_path / "x.json", names))
