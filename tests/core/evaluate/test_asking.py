"""Evaluation from end to end: real scenes, a real (random) model, and an engine that knows the truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from egm_core.asking.engine import answerer
from egm_core.boxes import iou, to_relative
from egm_core.engines import Chunk, Engine, Health, Request, Token
from egm_core.evaluate.__main__ import main
from egm_core.evaluate.asking import ask, rendered
from egm_core.evaluate.mix import measured_mix
from egm_core.evaluate.queries import HEAVY_ASKED, Query, scene_queries
from egm_core.evaluate.reports.report import Report
from egm_core.evaluate.results import FORBIDDEN
from egm_core.models.folder import load_info
from egm_core.scenes.language.expressions import expressions
from egm_core.scenes.truth import EVALUATION_FIRST_SEED, Scene

FIRST = EVALUATION_FIRST_SEED
SCENES = 30


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return list(rendered(FIRST, SCENES))


class Oracle(Engine):
    """Knows the truth of the queries, and answers visible questions for amodal ones too when it `copies`."""

    def __init__(self, queries: list[Query], info, copies: bool = False) -> None:
        self.info, self.copies = info, copies
        self.known = {(f"{q.seed}", info.prompt(q.text, q.task)): q for q in queries}

    def generate(self, request: Request) -> Iterator[Chunk]:
        query = self.known[request.id.split(":")[0], request.prompt]
        box = query.visible if self.copies else query.truth
        relative = None if box is None else to_relative(box, query.width, query.height)
        yield Chunk(self.info.speaker.target(query.text, relative, "Mug: (1,2).", query.task), (), "stop")

    def abort(self, request_id: str) -> None:
        raise NotImplementedError("the oracle answers at once")

    def health(self) -> Health:
        return Health("ready", "", "oracle")

    def close(self) -> None:
        self.known.clear()


def evaluated(scenes: list[Scene], model: Path, copies: bool = False) -> Report:
    info = load_info(model)
    oracle = Oracle([q for s in scenes for q in scene_queries(s, 3)], info, copies)
    return Report([row for asked in ask(scenes, info, answerer(oracle, 4)) for row in asked.rows])


def test_the_truth_meets_every_bar(scenes, random_qwen):
    report = evaluated(scenes, random_qwen)
    assert all(bar.verdict.startswith("goal met") for bar in report.bars())
    assert min(row.iou for row in report.rows if row.iou is not None) > 0.9


def test_copying_the_visible_box_fails_where_it_should(scenes, random_qwen):
    report = evaluated(scenes, random_qwen, copies=True)
    assert report.heavy().value == 0.0
    assert report.nearer().value == 0.0
    assert min(report.heavy().count, report.nearer().count) > 3


def test_rows_tell_how_sure_the_numbers_and_what_comes_before_them_were(scenes, random_qwen):
    class Sure(Oracle):
        def generate(self, request: Request) -> Iterator[Chunk]:
            text = "".join(chunk.text for chunk in super().generate(request))
            yield Chunk(text, tuple(Token(letter, -2.0 if letter.isdigit() else -1.0) for letter in text), "stop")

    info = load_info(random_qwen)
    some = scenes[:4]
    sure = Sure([q for s in some for q in scene_queries(s, 3)], info)
    report = Report([row for asked in ask(some, info, answerer(sure, 4)) for row in asked.rows])
    rows = report.as_json()["rows"]
    assert {row["outcome"] for row in rows} >= {"found"}
    for row in rows:
        assert row["opening"] < -len("[]") and (row["edges"] is None) == (row["box"] is None)
        assert row["box"] is None or max(row["edges"]) <= -2.0


def test_the_queries_of_a_seed_are_always_the_same(scenes):
    again = next(rendered(FIRST, 1))
    assert scene_queries(again, 2) == scene_queries(scenes[0], 2)


def test_every_heavily_hidden_object_is_asked_for_amodally(scenes):
    met = 0
    for scene in scenes:
        asked = [q for q in scene_queries(scene, 3) if q.task == "amodal"]
        for thing in scene.objects:
            if iou(thing.visible, thing.amodal) >= 0.5:
                continue
            sayable = {e.text for e in expressions(scene) if e.target == thing.index}
            assert len({q.text for q in asked} & sayable) >= min(HEAVY_ASKED, len(sayable))
            met += 1
    assert met >= 3


def test_visible_questions_are_asked_amodally_too(scenes):
    queries = [q for s in scenes for q in scene_queries(s, 3)]
    texts = {task: {(q.seed, q.text) for q in queries if q.task == task} for task in ("visible", "amodal")}
    assert texts["visible"] <= texts["amodal"]
    assert len(texts["visible"]) == 3 * SCENES


@pytest.mark.parametrize("family", ["qwen", "internvl"])
def test_the_command_with_a_random_model(family, random_qwen, random_internvl, tmp_path, capsys):
    model = {"qwen": random_qwen, "internvl": random_internvl}[family]
    result = tmp_path / "result.json"
    command = ["scenes", "--first-seed", str(FIRST), "--scenes", "2", "--queries-per-scene", "1"]
    assert main([*command, "--model", str(model), "--json", str(result), "--threads", "1"]) == 0
    printed = capsys.readouterr().out
    assert "visible Acc@0.5" in printed
    data = json.loads(result.read_text())
    assert data["model"] == model.name
    assert len(data["rows"]) >= 4
    assert all(row["tokens"] > 0 for row in data["rows"])
    assert {row["seed"] for row in data["rows"]} == {FIRST, FIRST + 1}
    assert main(["compare", str(result), str(result)]) == 0
    told = capsys.readouterr().out
    assert FORBIDDEN not in printed + told
    assert main([*command[:-4], "--scenes", "1", "--queries-per-scene", "1", "--model", str(model), "--threads", "1",
                 "--no-reasoning"]) == 0  # fmt: skip
    assert FORBIDDEN in capsys.readouterr().out.splitlines()[0]
    assert "+0.0 points" in told and told.startswith(f"{result} minus {result}: above zero, {result} is better")


def test_a_missing_model_is_named(capsys):
    assert main(["scenes", "--scenes", "1", "--model", "no/such/folder"]) == 2
    assert "no/such/folder" in capsys.readouterr().err


def test_the_mix_is_printed(scenes):
    text = measured_mix(scenes)
    for kind in ("attribute", "two_step", "absent", "near misses", "median visible width"):
        assert kind in text
    assert measured_mix([]) == "no scenes, no expressions"
