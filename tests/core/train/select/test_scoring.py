"""Scoring: through a kill, with a real model in this process, and from what earlier versions stored."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from checkpoints import ABSENT, AMODAL_BOX, FOUND, VISIBLE_BOX
from scoring_run import asked, killed_and_resumed, scored, servers, tell, write_config, write_data

from egm_core.asking.job import Answer
from egm_core.asking.store import Store, StoreError, read_answers
from egm_core.boxes import iou, to_pixels
from egm_core.families import family
from egm_core.models.folder import ModelInfo
from egm_core.sample import Sample, read_samples, write_samples
from egm_core.train.__main__ import main
from egm_core.train.configuration import ConfigurationError
from egm_core.train.select.questions import Manner, all_questions, common_folder
from egm_core.train.select.scores import Score, opened, read_scores, scores_of
from egm_core.train.select.stage import SelectConfig, select

MANNER = Manner(ModelInfo("servers", "qwen3_vl", ("visible", "amodal")))
LINES = [
    {"key": "a", "task": "visible", "iou": 0.75, "outcome": "found", "text": "a text"},
    {"key": "b", "task": "visible", "iou": None, "outcome": "absent"},
    {"key": "c", "task": "amodal", "iou": 0.0, "outcome": "malformed"},
]
SCORES = {
    "a": Score("a", "visible", 0.75, "found"),
    "b": Score("b", "visible", None, "absent"),
    "c": Score("c", "amodal", 0.0, "malformed"),
}


def old_folder(folder: Path, about: dict[str, str], torn: int = 0) -> Path:
    """Write scores as earlier versions did, without the last bytes."""
    (folder / "about.json").write_text(json.dumps(about))
    first, *rest = ["".join(json.dumps(line) + "\n" for line in part) for part in (LINES[:1], LINES[1:])]
    (folder / "part-00000.jsonl").write_text(first)
    (folder / "part-00001.jsonl").write_bytes("".join(rest).encode()[: -torn or None])
    return folder


def test_scores_of_an_earlier_version_are_read_and_taken_over_once(tmp_path: Path) -> None:
    folder = old_folder(tmp_path, {"model": "m"})
    assert read_scores(folder) == SCORES and [score.value for score in SCORES.values()] == [0.75, 1.0, 0.0]
    with opened(folder, {"model": "m"}) as store:
        assert scores_of(store.answers(), store.path) == SCORES
        assert [answer.text for answer, _ in store.answers()] == ["a text", "", ""]
        store.add(Answer("d", "more"), {"task": "visible", "iou": 1.0, "outcome": "found"})
    assert set(read_scores(folder)) == {"a", "b", "c", "d"} == set(read_scores(folder / "answers.sqlite"))
    with opened(folder, {"model": "m"}) as store:
        assert len(store) == 4
    assert not list(folder.glob("taken_over*"))


def test_scores_of_an_earlier_version_and_another_model_are_refused(tmp_path: Path) -> None:
    folder = old_folder(tmp_path, {"model": "m"})
    with pytest.raises(StoreError, match="holds answers for model 'm', and now it is 'n'"):
        opened(folder, {"model": "n"})


@pytest.mark.parametrize("cut", [1, 2, 30, 59])
def test_a_torn_last_line_is_passed_over(tmp_path: Path, cut: int) -> None:
    assert set(read_scores(old_folder(tmp_path, {}, cut))) == ({"a", "b", "c"} if cut == 1 else {"a", "b"})


def test_lines_and_answers_that_are_no_scores_are_named(tmp_path: Path) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text('{"key": "x", "task": "visible", "iou": 2, "outcome": "found"}\n' + json.dumps(LINES[0]) + "\n")
    with pytest.raises(ConfigurationError, match=r"scores\.jsonl:1 is no score \(iou is 2\)"):
        read_scores(file)
    with Store(tmp_path / "other.sqlite", {}) as store:
        store.add(Answer("a", "x"), {"rating": 5})
    with pytest.raises(ConfigurationError, match="holds answers without scores"):
        read_scores(tmp_path / "other.sqlite")


def test_keys_depend_on_the_question_and_not_on_its_place(tmp_path: Path) -> None:
    sample = Sample("images/a.png", "the mug", (1, 2, 3, 4), (1, 2, 3, 5), 0.5, 10, 10)
    others = [
        Sample("images/b.png", "the mug", (1, 2, 3, 4), (1, 2, 3, 5), 0.5, 10, 10),
        Sample("images/a.png", "the box", (1, 2, 3, 4), (1, 2, 3, 5), 0.5, 10, 10),
        Sample("images/a.png", "the mug", (1, 2, 4, 4), (1, 2, 3, 6), 0.5, 10, 10),
    ]
    keys = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        records = [sample, *others, sample] if name == "here" else [*others[::-1], sample]
        with open(folder / "data.jsonl", "w") as file:
            for s in records:
                record = {"image": s.image, "sent": s.sent, "bbox": s.bbox, "amodal_bbox": s.amodal_bbox}
                file.write(json.dumps({**record, "height": 10, "width": 10}) + "\n")
        file = folder / "data.jsonl"
        found = list(all_questions(read_samples(file), ["visible", "amodal"], common_folder([file])))
        assert len(found) == len({q.key for q in found}) == 8, "a sample that stands there twice is asked once"
        keys.append({q.key for q in found})
    assert keys[0] == keys[1]


@pytest.mark.timeout(900)
def test_300_samples_survive_a_kill(tmp_path: Path) -> None:
    killed_and_resumed(tmp_path, 300, lost_at_most=2 * 4, concurrency=4)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_20000_samples_survive_a_kill(tmp_path: Path) -> None:
    print(killed_and_resumed(tmp_path, 20_000, lost_at_most=2 * 32, concurrency=32))


def test_a_picture_that_cannot_be_read_is_a_problem_and_not_the_end(tmp_path: Path) -> None:
    write_data(tmp_path, 10)
    (tmp_path / "torn.png").write_bytes((tmp_path / "a.png").read_bytes()[:20])
    record = {"image": "torn.png", "sent": "a tear", "bbox": [1, 2, 3, 4], "height": 8, "width": 8}
    with open(tmp_path / "data.jsonl", "a") as file:
        file.write(json.dumps(record) + "\n")
    with servers(1) as urls:
        assert main(["select", "--config", str(write_config(tmp_path, urls))]) == 2
        assert main(["select", "--config", str(write_config(tmp_path, urls)), "missing_share=0.5"]) == 0
    (left_out,) = map(json.loads, (tmp_path / "run/left_out.jsonl").read_text().splitlines())
    assert left_out["place"].endswith("data.jsonl:11") and "torn.png: corrupt" in left_out["why"]


MIXED = (300.0, 300.0, 500.0, 600.0)


def known_data(folder: Path, noise: np.ndarray) -> Path:
    """Write samples whose answers the memorising model knows, some with another truth than it says."""
    height, width = noise.shape[:2]
    cv2.imwrite(str(folder / "a.png"), noise)
    box, beside, whole = (to_pixels(b, width, height) for b in (VISIBLE_BOX, MIXED, AMODAL_BOX))
    image = str(folder / "a.png")
    samples = [
        Sample(image, FOUND, box, whole, 0.8, height, width),
        Sample(image, FOUND, beside, box, 0.8, height, width),
        Sample(image, ABSENT, None, None, None, height, width),
        Sample(image, FOUND, None, None, None, height, width),
        Sample(image, ABSENT, box, whole, 0.8, height, width),
    ]
    write_samples(folder / "data.jsonl", samples)
    return folder / "data.jsonl"


def test_a_model_in_this_process_is_scored_and_not_asked_twice(
    tmp_path: Path, memorising_qwen: Path, noise: np.ndarray
) -> None:
    data = known_data(tmp_path, noise)
    # Its truths contradict each other, so that every outcome comes.
    told = {"contradiction": 1.0, "amodal": 1.0}
    settings = {"data": [str(data)], "learner": str(memorising_qwen), "amodal": "select", "keep_answers": True}
    settings["tolerate"] = told
    select(SelectConfig(output=str(tmp_path / "run"), **settings))
    stored = dict(scored(tmp_path))
    questions = list(all_questions(read_samples(data), ["visible", "amodal"], tmp_path))
    found = [(q.task, stored[q.key]["outcome"], stored[q.key]["iou"]) for q in questions]
    assert found == [
        ("visible", "found", pytest.approx(1.0)),
        ("amodal", "found", pytest.approx(1.0)),
        ("visible", "found", pytest.approx(iou(VISIBLE_BOX, MIXED))),
        ("amodal", "found", pytest.approx(iou(AMODAL_BOX, VISIBLE_BOX))),
        ("visible", "absent", None),
        ("amodal", "absent", None),
        ("visible", "found", None),
        ("amodal", "found", None),
        ("visible", "absent", 0.0),
        ("amodal", "absent", 0.0),
    ]
    before = list(read_answers(tmp_path / "run/learner/answers.sqlite"))
    assert all(family("qwen3_vl").parse(answer.text).kind != "invalid" for answer, _ in before)
    choices = [json.loads(line)["choice"] for line in (tmp_path / "run/choices.jsonl").read_text().splitlines()]
    assert [choices[i] for i in (2, 6, 7, 8, 9)] == ["learnable"] * 5
    select(SelectConfig(output=str(tmp_path / "run"), **settings))
    assert list(read_answers(tmp_path / "run/learner/answers.sqlite")) == before
    with pytest.raises(ConfigurationError, match="holds answers for pixels False, and now it is True"):
        select(SelectConfig(output=str(tmp_path / "run"), pixels=True, **settings))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_processes_share_the_work_and_end_with_their_parent(tmp_path: Path, memorising_qwen: Path) -> None:
    write_data(tmp_path, 120)
    config = write_config(tmp_path, [], learner=str(memorising_qwen), processes=2, batch=2)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    command = [sys.executable, "-m", "egm_core.train", "select", "--config", str(config)]
    process = subprocess.Popen(command, env=environment)
    while len(scored(tmp_path)) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline, "the processes outlive their parent"
        time.sleep(0.1)
    assert len(children) >= 2 and len(scored(tmp_path)) < 120
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    found = scored(tmp_path)
    assert len(found) == len({key for key, _ in found}) == 120


def alive(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


def test_scores_of_another_model_are_never_taken_for_this_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data(tmp_path, 10)
    with servers(2) as urls:
        config = str(write_config(tmp_path, urls))
        for url in urls:
            tell(url, model="first")
        assert main(["select", "--config", config]) == 0
        assert "don't say which weights 'first' has" in capsys.readouterr().err
        before = sum(map(asked, urls))
        assert main(["select", "--config", config]) == 0
        assert sum(map(asked, urls)) == before, "the same model is not asked again"
        for url in urls:
            tell(url, model="second")
        assert main(["select", "--config", config]) == 2
        assert "holds answers for model 'first', and now it is 'second'" in capsys.readouterr().err
        # A server that has another model than the rest is named, whether it answers now or later.
        tell(urls[0], model="first")
        assert main(["select", "--config", config]) == 2
        assert "servers that share the work must have one model" in capsys.readouterr().err


def test_prompt_and_sampling_are_part_of_what_scores_are_for(tmp_path: Path) -> None:
    own = replace(MANNER.info, prompts={"visible": "Where is {sent}?"})
    with opened(tmp_path, MANNER.about):
        pass
    for manner in (replace(MANNER, info=own), replace(MANNER, info=replace(MANNER.info, max_tokens=7))):
        with pytest.raises(StoreError, match=r"holds answers for (prompts|sampling)"):
            opened(tmp_path, manner.about)


def test_scores_that_other_data_left_do_not_pass_for_these(tmp_path: Path) -> None:
    write_data(tmp_path, 20)
    with servers(1) as urls:
        config = str(write_config(tmp_path, urls))
        assert main(["select", "--config", config]) == 0
        text = (tmp_path / "data.jsonl").read_text()
        (tmp_path / "data.jsonl").write_text(text.replace("thing 1", "thing 2001"))
        before = asked(urls[0])
        assert main(["select", "--config", config]) == 0
        assert asked(urls[0]) == before + 11
    found = json.loads((tmp_path / "run/report.json").read_text())["tasks"]["visible"]
    assert found["scored"] == found["questions"] == 20
