"""Whatever stands in a field: it is read, or refused with its file and record; nothing else may happen."""

from __future__ import annotations

import copy
import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refer_files import ANNOTATION, IMAGE, INSTANCES, REF, write
from test_egm import ANALYSIS, RAW, RL
from test_harder_sets import ADV, L4, ME, grefcoco
from test_internvl import ASKED, ROW, talk

from egm_core.arguments import Parser
from egm_core.data.convert import convert
from egm_core.data.kinds import kinds
from egm_core.data.readers.kind import DataError

ODD = [
    None,
    True,
    -1,
    0,
    3.5,
    float("nan"),
    float("inf"),
    10**60,
    "",
    "x",
    "  ",
    "\x00",
    "\ud800",
    [],
    [[]],
    {},
    {"a": 1},
    [1, 2, 3],
    [None] * 4,
    ["a"] * 4,
    [1e300] * 4,
    [3, 3, 2, 2],
]
REVIEW = {
    "images": [{**IMAGE, "id": 1, "caption": "x"}],
    "annotations": [{**ANNOTATION, "image_id": 1, "caption_quality": 1}],
}


def lines(folder: Path, record: Any) -> list[object]:
    (folder / "x.jsonl").write_text(json.dumps(record) + "\n")
    return ["--file", folder / "x.jsonl"]


def whole(folder: Path, record: Any) -> list[object]:
    (folder / "x.json").write_text(json.dumps(record))
    return ["--file", folder / "x.json"]


FORMS: dict[str, tuple[str, Any, Callable[[Path, Any], list[object]]]] = {
    "evaluation row": ("internvl", ROW, lines),
    "conversation": ("internvl", talk((f"<image>\n{ASKED}", "<box>[[1,2,300,400]]</box>")), lines),
    "raw row": ("egm", RAW, lines),
    "analysis": ("egm", ANALYSIS, lines),
    "RL row": ("egm", RL, lines),
    "Ref-L4": ("ref-l4", L4, lines),
    "Ref-Adv-s": ("ref-adv", {**ADV, "image": "a.png"}, lines),
    "GroundingME": ("grounding-me", {**ME, "image": "a.png"}, lines),
    "review": ("refcoco-reviewed", REVIEW, whole),
    "references": ("refer", [REF], lambda folder, it: ["--root", write(folder / "refcoco", it)]),
    "instances": ("refer", INSTANCES, lambda folder, it: ["--root", write(folder / "refcoco", [REF], it)]),
    "gRefCOCO": ("grefcoco", {**REF, "ann_id": [REF["ann_id"]]}, lambda folder, it: ["--root", grefcoco(folder, it)]),
}


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the ways to all values within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield (*before, key)
        yield from places(child, (*before, key))


def changed(base: Any, way: tuple[Any, ...], to: Any) -> Any:
    """Give a copy with one value replaced, or taken away where it is `...`."""
    made = copy.deepcopy(base)
    inner = made
    for key in way[:-1]:
        inner = inner[key]
    if to is ...:
        del inner[way[-1]]
    else:
        inner[way[-1]] = to
    return made


@pytest.mark.parametrize("form", FORMS)
def test_it_is_read_or_refused_by_name(tmp_path_factory: pytest.TempPathFactory, form: str) -> None:
    kind, base, arguments = FORMS[form]
    folder = tmp_path_factory.mktemp("any")

    @settings(max_examples=60, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(list(places(base))), st.sampled_from([*ODD, ...]))
    def check(way: tuple[Any, ...], to: Any) -> None:
        parser = Parser()
        kinds()[kind].arguments(parser)
        named: Namespace = parser.parse_args(list(map(str, arguments(folder, changed(base, way, to)))))
        try:
            convert(kinds()[kind], named, folder / "out.jsonl", 1.0)
        except DataError as error:
            assert str(folder) in str(error)

    check()
