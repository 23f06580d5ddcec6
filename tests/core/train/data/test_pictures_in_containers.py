"""Pictures in archives and mirrored ones on their way through training: check, tables, questions, and verl's rows."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from egm_core.families import family
from egm_core.sample import Sample, read_samples, write_samples
from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.check import Checking, check_data
from egm_core.train.data.pictures import look_at
from egm_core.train.data.same_pictures import shared_pictures
from egm_core.train.data.sheet import SHEET
from egm_core.train.data.table import _read_pictures
from egm_core.train.rl.questions import questions
from egm_core.train.rl.trainer import read_pictures
from egm_core.train.select.questions import key_of, questions_of
from egm_core.train.sft.stage import rows

SHADE = np.tile(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], (48, 1, 3))
SPEAKER = family("qwen3_vl")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A sample file: a picture in an archive, and the same mirrored with the same expression."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/left.png", cv2.imencode(".png", SHADE)[1].tobytes())
    sample = Sample(f"{tmp_path}/a.zip::x/left.png", "the man", (4, 4, 20, 20), None, None, 48, 64)
    write_samples(tmp_path / "data.jsonl", [sample, replace(sample, bbox=(44, 4, 60, 20), mirrored=True)])
    return tmp_path / "data.jsonl"


def test_the_check_reads_them_and_a_mirrored_one_contradicts_nothing(data: Path, tmp_path: Path) -> None:
    found = check_data(tmp_path / "run", Checking((data,), ("visible",), SPEAKER))
    assert found.left_out == {} and "contradiction" not in found.text and (tmp_path / "run" / SHEET).is_file()
    assert look_at(f"{tmp_path}/a.zip::gone.png").reason == "missing"


def test_rows_and_questions_name_them_and_readers_mirror_them(data: Path) -> None:
    plain, flipped = read_samples(data)
    learnt = list(rows([plain, flipped], SPEAKER, ["visible"], "{prompt}", ""))
    asked = list(questions([plain, flipped], SPEAKER, ["visible"]))
    for named in ([row["image"] for row in learnt], [row["image"] for row in asked]):
        first, second = (np.asarray(picture) for picture in _read_pictures({"image": named})["image"])
        assert np.array_equal(first, SHADE) and np.array_equal(second, SHADE[:, ::-1])
    drawn = read_pictures(asked)
    assert np.array_equal(np.asarray(drawn[1]["image"]), SHADE[:, ::-1])


def test_questions_of_selection_keep_the_reference_whole(data: Path, tmp_path: Path) -> None:
    plain, flipped = read_samples(data)
    (question,) = questions_of(flipped, ["visible"], tmp_path)
    assert question.image == f"{tmp_path}/a.zip::x/left.png::mirrored"
    same = replace(plain, bbox=flipped.bbox)
    assert key_of(same, "visible", tmp_path) != key_of(flipped, "visible", tmp_path)


def test_verl_gets_the_bytes_of_what_is_shown_and_no_path_that_it_cannot_read(data: Path) -> None:
    from egm_core.train.rl.verl.data import _embedded, _path

    plain, flipped = read_samples(data)
    seen = [cv2.imdecode(np.frombuffer(_embedded(s)["bytes"], np.uint8), cv2.IMREAD_COLOR) for s in (plain, flipped)]
    assert np.array_equal(seen[0], SHADE) and np.array_equal(seen[1], SHADE[:, ::-1])
    with pytest.raises(ConfigurationError, match=r"no picture file.*verl\.pictures=embed"):
        _path(plain)
    assert _path(SimpleNamespace(image="a.png", picture="a.png", mirrored=False)).endswith("/a.png")


def test_the_same_picture_is_found_in_an_archive(data: Path, tmp_path: Path) -> None:
    copy, other, inside = tmp_path / "copy.png", tmp_path / "other.png", f"{tmp_path}/a.zip::x/left.png"
    copy.write_bytes(cv2.imencode(".png", SHADE)[1].tobytes())
    other.write_bytes(cv2.imencode(".png", SHADE[:9])[1].tobytes())
    assert shared_pictures([str(copy), str(other)], [inside]) == {str(copy)}
    assert shared_pictures([inside], [str(other), str(copy)]) == {inside}
    assert shared_pictures([inside], [str(other), f"{tmp_path}/a.zip::gone.png"]) == set()
