"""Scoring: the store through kills and tears, servers that fail, and a real model in this process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
from checkpoints import ABSENT, AMODAL_BOX, FOUND, VISIBLE_BOX
from scoring_run import asked, expected, killed_and_resumed, lines, servers, tell, write_config, write_data

from egm_core.boxes import iou, to_pixels
from egm_core.engines.base import EngineError
from egm_core.families import family
from egm_core.models.folder import ModelInfo
from egm_core.sample import Sample, write_samples
from egm_core.train.__main__ import main
from egm_core.train.configuration import ConfigurationError
from egm_core.train.select.asking.endpoints import Endpoints
from egm_core.train.select.asking.local import EndpointScorer
from egm_core.train.select.asking.store import Score, ScoreStore, read_scores
from egm_core.train.select.questions import Manner, Problem, read_questions
from egm_core.train.select.stage import SelectConfig, select

sys.path.append(str(Path(__file__).parents[2] / "engines"))

import misbehaving

SCORES = [
    Score("a", "visible", 0.75, "found", "text"),
    Score("b", "visible", None, "absent"),
    Score("c", "amodal", 0.0, "malformed"),
]
KEPT = {"a": Score("a", "visible", 0.75, "found"), "b": SCORES[1], "c": SCORES[2]}
MANNER = Manner(ModelInfo("servers", "qwen3_vl", ("visible", "amodal")))


def test_a_store_keeps_what_it_was_given(tmp_path: Path) -> None:
    with ScoreStore(tmp_path, {"model": "m"}) as store:
        for score in SCORES:
            store.add(score)
        assert "a" in store and "d" not in store and len(store) == 3
        with pytest.raises(ValueError, match="a was scored already"):
            store.add(SCORES[0])
    with ScoreStore(tmp_path, {"model": "m"}) as store:
        assert store.scores == KEPT
    assert [p.name for p in tmp_path.glob("part-*")] == ["part-00000.jsonl"], "an empty part is taken away"
    assert [s.value for s in KEPT.values()] == [0.75, 1.0, 0.0]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_passed_over_and_stays(tmp_path: Path, cut: int) -> None:
    with ScoreStore(tmp_path, {}) as store:
        for score in SCORES:
            store.add(score)
    part = tmp_path / "part-00000.jsonl"
    part.write_bytes(part.read_bytes()[:-cut])
    with ScoreStore(tmp_path, {}) as store:
        assert set(store.scores) == ({"a", "b", "c"} if cut == 1 else {"a", "b"})
        if "c" not in store:
            store.add(SCORES[2])
    assert read_scores(tmp_path) == KEPT


def test_damage_another_model_and_another_process_are_refused(tmp_path: Path) -> None:
    with ScoreStore(tmp_path, {"weights": "one"}) as store:
        store.add(SCORES[0])
        with pytest.raises(ConfigurationError, match="another process is scoring into"):
            ScoreStore(tmp_path, {"weights": "one"})
    with pytest.raises(ConfigurationError, match="holds scores for weights 'one', and now it is 'two'"):
        ScoreStore(tmp_path, {"weights": "two"})
    part = tmp_path / "part-00000.jsonl"
    part.write_text('{"key": "x", "task": "visible", "iou": 2, "outcome": "found"}\n' + part.read_text())
    with pytest.raises(ConfigurationError, match=r"part-00000\.jsonl:1 is no score \(iou is 2\)"):
        ScoreStore(tmp_path, {"weights": "one"})


def test_a_store_that_was_refused_is_free_again(tmp_path: Path) -> None:
    with ScoreStore(tmp_path, {"weights": "one"}):
        pass
    with pytest.raises(ConfigurationError):
        ScoreStore(tmp_path, {"weights": "two"})
    with ScoreStore(tmp_path, {"weights": "one"}) as store:
        assert len(store) == 0


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
        found = list(read_questions([folder / "data.jsonl"], ["visible", "amodal"]))
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


def answers(folder: Path, urls: list[str], **settings: float) -> tuple[list[Score], list[Problem]]:
    """Put a folder's questions to servers; gives scores and problems."""
    results: list[Score | Problem] = []
    scorer = EndpointScorer(tuple(urls), MANNER, {"patience": 60.0, "concurrency": 4, **settings})
    scorer.score(read_questions([folder / "data.jsonl"], ["visible"]), results.append)
    return [r for r in results if isinstance(r, Score)], [r for r in results if isinstance(r, Problem)]


@pytest.mark.parametrize("mode", ["error500", "die"])
def test_the_work_of_a_server_that_fails_goes_to_the_others(tmp_path: Path, mode: str) -> None:
    write_data(tmp_path, 60)
    with servers(2) as urls:
        tell(urls[0], mode=mode)
        scores, problems = answers(tmp_path, urls)
        assert asked(urls[1]) >= 60
    assert len(scores) == len({s.key for s in scores}) == 60 and not problems
    assert sorted(s.value for s in scores) == pytest.approx(sorted(expected(60).elements()), abs=1e-6)


def test_a_server_that_comes_back_is_asked_again(tmp_path: Path) -> None:
    write_data(tmp_path, 40)
    with servers(1, mode="error500") as urls:

        def mend() -> None:
            while not asked(urls[0]):
                time.sleep(0.05)
            tell(urls[0], mode="found")

        mending = Thread(target=mend)
        mending.start()
        scores, problems = answers(tmp_path, urls)
        mending.join()
    assert len(scores) == 40 and not problems


def test_when_all_servers_are_gone_the_error_names_each(tmp_path: Path) -> None:
    write_data(tmp_path, 5)
    urls = ["http://127.0.0.1:9", "http://127.0.0.1:10"]
    with pytest.raises(EngineError, match=r"no server is left .*127\.0\.0\.1:9: Connect.*127\.0\.0\.1:10: Connect"):
        answers(tmp_path, urls, patience=0.3)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("status:400", "32 questions in a row were refused, the last: HTTP 400: the moon is in the wrong place"),
        ("status:401", "no server is left to ask .*HTTP 401: the moon"),
        ("status:500", "32 questions in a row were refused, the last: 6 attempts failed, .*HTTP 500: the moon"),
        ("page", "32 questions in a row were refused, .* no chat answer"),
    ],
)
def test_servers_that_refuse_everything_end_the_run(
    tmp_path: Path, status: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egm_core.train.select.asking.endpoints.FIRST_WAIT", 0.01)
    monkeypatch.setattr("egm_core.train.select.asking.endpoints.LONGEST_WAIT", 0.01)
    write_data(tmp_path, 80)
    with misbehaving.running() as server:
        server.model = status
        with pytest.raises(EngineError, match=message):
            answers(tmp_path, [server.url], concurrency=16, patience=3600)


def test_a_picture_that_cannot_be_read_is_a_problem_and_not_the_end(tmp_path: Path) -> None:
    write_data(tmp_path, 10)
    (tmp_path / "torn.png").write_bytes((tmp_path / "a.png").read_bytes()[:20])
    record = {"image": "torn.png", "sent": "a tear", "bbox": [1, 2, 3, 4], "height": 8, "width": 8}
    with open(tmp_path / "data.jsonl", "a") as file:
        file.write(json.dumps(record) + "\n")
    with servers(1) as urls:
        scores, problems = answers(tmp_path, urls)
        assert len(scores) == 10 and [p.question.sent for p in problems] == ["a tear"]
        assert "cut short" in problems[0].why
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
    scored = {line["key"]: line for line in lines_of(tmp_path / "run/learner")}
    questions = list(read_questions([data], ["visible", "amodal"]))
    found = [(q.task, scored[q.key]["outcome"], scored[q.key]["iou"]) for q in questions]
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
    assert all(family("qwen3_vl").parse(line["text"]).kind != "invalid" for line in scored.values())
    choices = [json.loads(line)["choice"] for line in (tmp_path / "run/choices.jsonl").read_text().splitlines()]
    assert [choices[i] for i in (2, 6, 7, 8, 9)] == ["learnable"] * 5
    before = (tmp_path / "run/learner/part-00000.jsonl").read_bytes()
    select(SelectConfig(output=str(tmp_path / "run"), **settings))
    assert [p.read_bytes() for p in (tmp_path / "run/learner").glob("part-*")] == [before]
    with pytest.raises(ConfigurationError, match="holds scores for pixels False, and now it is True"):
        select(SelectConfig(output=str(tmp_path / "run"), pixels=True, **settings))


def lines_of(folder: Path) -> Iterator[dict[str, object]]:
    return chain.from_iterable(map(json.loads, p.read_text().splitlines()) for p in sorted(folder.glob("part-*")))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_processes_share_the_work_and_end_with_their_parent(tmp_path: Path, memorising_qwen: Path) -> None:
    write_data(tmp_path, 400)
    config = write_config(tmp_path, [], learner=str(memorising_qwen), processes=2, batch=4)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    command = [sys.executable, "-m", "egm_core.train", "select", "--config", str(config)]
    process = subprocess.Popen(command, env=environment)
    while len(lines(tmp_path)) < 64:
        assert process.poll() is None
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline, "the processes outlive their parent"
        time.sleep(0.1)
    assert len(children) >= 2 and len(lines(tmp_path)) < 400
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    scored = lines(tmp_path)
    assert len(scored) == len({line["key"] for line in scored}) == 400


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
        assert "holds scores for model 'first', and now it is 'second'" in capsys.readouterr().err
        # A server that has another model than the rest is named, whether it answers now or later.
        tell(urls[0], model="first")
        assert main(["select", "--config", config]) == 2
        assert "a role's servers must have one model" in capsys.readouterr().err
        scores, problems = answers(tmp_path, urls[:1])
        assert len(scores) == 10 and not problems
        endpoints = Endpoints(urls[1:], MANNER, model="first")
        with pytest.raises(EngineError, match="has the model 'second', and the scores are for 'first'"):
            asyncio.run(endpoints.score(read_questions([tmp_path / "data.jsonl"], ["visible"]), list[object]().append))


def test_weights_prompt_and_sampling_are_part_of_what_scores_are_for(
    tmp_path: Path, served_qwen: str, memorising_qwen: Path
) -> None:
    scorer = EndpointScorer((served_qwen,), MANNER, {"patience": 60.0})
    told = scorer.about
    assert (told["model"], told["root"]) == ("memorising_qwen", str(memorising_qwen)) and len(told["weights"]) == 1
    own = replace(MANNER.info, prompts={"visible": "Where is {sent}?"})
    for manner in (replace(MANNER, info=own), replace(MANNER, info=replace(MANNER.info, max_tokens=7))):
        other = EndpointScorer((served_qwen,), manner, {"patience": 60.0}).about
        with ScoreStore(tmp_path, told):
            pass
        with pytest.raises(ConfigurationError, match=r"holds scores for (prompts|sampling)"):
            ScoreStore(tmp_path, other)


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
