"""An answer ends with its box where the model's folder says that nothing behind it tells more."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import ABSENT, FOUND, TRACES, memorised_answers
from numpy.typing import NDArray

from egm_core.boxes import Box
from egm_core.engines import Engine
from egm_core.engines.local import TransformersEngine
from egm_core.engines.openai import OpenAIEngine
from egm_core.families import family
from egm_core.grounder.grounder import Grounder
from egm_core.grounder.grounding import Grounding
from egm_core.models.folder import EMBEDDED, load_info, resolve, write_info

BOX: Box = (10.0, 20.0, 300.0, 400.0)
OTHER = '{"bbox_2d": [1, 2, 3, 4], "label": "x"}'


@pytest.mark.parametrize("name", ["qwen3_vl", "qwen3_5"])
@pytest.mark.parametrize("thought", ["", "It is at (1,2). A list: [5, 6, 7, 8]."])
def test_only_the_last_bracket_of_the_box_ends_an_answer(name: str, thought: str) -> None:
    speaker = family(name)
    for sent in ("the mug", "the sign with ] on it"):
        answer = speaker.target(sent, BOX, thought, "visible", "open")
        end = answer.index("400]") + len("400]")
        for cut in range(len(answer) + 1):
            whole = speaker.closed(answer[:cut], "open")
            assert (whole is not None) == (cut >= end)
            if whole is not None:
                read = speaker.parse(whole)
                assert (read.kind, read.box, read.label, read.boxes_seen) == ("box", BOX, "", 1)
                assert read.span == speaker.parse(answer).span and read.reasoning == speaker.parse(answer).reasoning


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("qwen3_vl", f"```json\n[{OTHER}"),
        ("qwen3_vl", f"<think>\n```json\n[{OTHER}"),
        ("qwen3_vl", f"</think>\n\nIt is not here: ```json\n[{OTHER}"),
        ("qwen3_vl", "</think>\n\n```json\n[]\n```"),
        ("qwen3_vl", '</think>\n\n```json\n[{"bbox_2d": [1, 2, 3]'),
        ("qwen3_vl", '</think>\n\n```json\n[{"bbox_2d": [1, 2, 1, 4]'),
        ("qwen3_vl", '</think>\n\n```json\n[{"bbox_2d": [1, 2, 3000, 4]'),
        ("qwen3_vl", '</think>\n\n```json\n[{"label": "x", "bbox_2d": [1, 2, 3, 4]'),
        ("internvl3", "<ref>x</ref><box>[1, 2, 3, 4]"),
    ],
)
def test_what_may_still_change_goes_on(name: str, text: str) -> None:
    assert family(name).closed(text, "open") is None


@pytest.fixture(scope="module", params=["local", "served"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    where = request.param
    folder = request.getfixturevalue("memorising_qwen")
    made = (
        TransformersEngine(folder, threads=1)
        if where == "local"
        else OpenAIEngine(request.getfixturevalue("served_qwen"))
    )
    with made:
        made.wait_ready(120)
        yield made


def grounded(engine: Engine, folder: Path, sent: str, image: NDArray[np.uint8], stop: bool) -> Grounding:
    grounder = Grounder(engine, replace(load_info(folder), stop_at_box=stop))
    found = grounder.ground(image, sent)
    grounder.close()
    return found


def test_the_answer_is_the_same_and_shorter(engine: Engine, memorising_qwen: Path, noise: NDArray[np.uint8]) -> None:
    whole, short = (grounded(engine, memorising_qwen, FOUND, noise, stop) for stop in (False, True))
    assert (short.visible, short.amodal, short.outcome) == (whole.visible, whole.amodal, "found")
    assert (short.score, short.amodal_score) == pytest.approx((whole.score, whole.amodal_score), abs=1e-5)
    assert (short.reasoning, short.warnings, short.repairs) == (TRACES[FOUND, "visible"], (), ())
    assert whole.raw_visible == memorised_answers()[FOUND, "visible"]
    assert whole.raw_visible.startswith(short.raw_visible) and FOUND not in short.raw_visible.partition("</think>")[2]
    assert short.raw_amodal is not None and not short.raw_amodal.endswith("```")


def test_an_absent_object_is_told_whole(engine: Engine, memorising_qwen: Path, noise: NDArray[np.uint8]) -> None:
    found = grounded(engine, memorising_qwen, ABSENT, noise, True)
    assert (found.outcome, found.raw_visible) == ("absent", memorised_answers()[ABSENT, "visible"])


def test_of_words_that_it_never_saw_the_model_tells_its_label(
    memorising_qwen: Path, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    domain = json.loads((resolve(EMBEDDED) / "domain.json").read_text())
    for file in memorising_qwen.iterdir():
        (tmp_path / file.name).symlink_to(file)
    whole = memorised_answers()[FOUND, "visible"]
    with TransformersEngine(memorising_qwen, threads=1) as engine:
        engine.wait_ready(120)
        for words, awaited in ((domain["words"], False), ([w for w in domain["words"] if w != "mug"], True)):
            (tmp_path / "domain.json").write_text(json.dumps({**domain, "words": words}))
            info = replace(load_info(tmp_path), stop_at_box=True, domain="domain.json")
            grounder = Grounder(engine, info)
            found = grounder.ground(noise, FOUND)
            grounder.close()
            assert (found.raw_visible == whole) == awaited
            assert ("unknown_words: mug" in found.warnings) == awaited


def test_the_engine_makes_no_more_tokens_than_it_must(memorising_qwen: Path, noise: NDArray[np.uint8]) -> None:
    made = []
    with TransformersEngine(memorising_qwen, threads=1) as engine:
        engine.wait_ready(120)
        for stop in (False, True):
            before = engine.counts().tokens
            grounded(engine, memorising_qwen, FOUND, noise, stop)
            until = time.monotonic() + 60
            while engine.counts().running:
                assert time.monotonic() < until
                time.sleep(0.01)
            made.append(engine.counts().tokens - before)
    # A token or two are under way when the box is whole.
    assert made[1] < made[0] - 2


def test_the_folder_says_it_and_training_forgets_it(tmp_path: Path) -> None:
    embedded = load_info(resolve(EMBEDDED))
    assert embedded.stop_at_box
    assert not embedded.trained(name="other", tasks=("visible",)).stop_at_box
    write_info(tmp_path, embedded)
    assert load_info(tmp_path).stop_at_box
    file = tmp_path / "egm.json"
    file.write_text(file.read_text().replace('"stop_at_box": true', '"stop_at_box": 1'))
    with pytest.raises(ValueError, match="stop_at_box is 1; it must be true or false"):
        load_info(tmp_path)
