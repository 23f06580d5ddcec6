"""Selection: the rule on literal cases, seeds, both draws, and the files that a run leaves."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.families import family
from egm_core.sample import Sample, read_samples, write_samples
from egm_core.train.__main__ import main
from egm_core.train.configuration import ConfigurationError, load
from egm_core.train.select.questions import all_questions
from egm_core.train.select.selection import choose
from egm_core.train.select.stage import SelectConfig, select
from egm_core.train.sft.stage import rows

ROOT = Path(__file__).parents[4]


def test_learnable_is_what_the_learner_fails_and_the_reference_solves() -> None:
    learner = np.array([0.0, 0.49, 0.5, 0.3, 0.9, 0.0, 1.0])
    reference = np.array([0.5, 0.9, 0.0, 0.49, 1.0, np.nan, 0.2])
    found = choose(learner, reference, np.zeros(7, bool), np.random.default_rng(0))
    assert found.learnable.tolist() == [0, 1]
    assert len(found.easy) == 2 and set(found.easy.tolist()) <= {2, 4, 6}
    assert (found.unsolved, found.solved) == (2, 3)


def test_all_easy_ones_are_taken_where_they_are_few() -> None:
    learner = np.array([0.1, 0.2, 0.3, 0.8])
    found = choose(learner, np.ones(4), np.zeros(4, bool), np.random.default_rng(0))
    assert (found.learnable.tolist(), found.easy.tolist()) == ([0, 1, 2], [3])


def test_a_draw_is_uniform_over_what_is_solved() -> None:
    learner = np.concatenate([np.zeros(5), np.linspace(0.5, 1.0, 20)])
    times: Counter[int] = Counter()
    for seed in range(2000):
        times.update(choose(learner, np.ones(25), np.zeros(25, bool), np.random.default_rng(seed)).easy.tolist())
    assert set(times) == set(range(5, 25)) and sum(times.values()) == 10_000
    # 500 each, with a standard deviation of 19.4; five of them is one chance in 87,000 for the twenty together.
    assert all(abs(count - 500) < 97 for count in times.values()), times


def test_buckets_are_those_of_the_released_code() -> None:
    easy = [0.55] * 30 + [0.65] * 30 + [0.75] * 3 + [0.85] * 30 + [0.9, 1.0] * 15
    learner = np.array([0.0] * 21 + easy)
    found = choose(learner, np.ones(len(learner)), np.zeros(len(learner), bool), np.random.default_rng(42), "buckets")
    # round(21 * .15) = 3, round(21 * .2) = 4 three times, and 21 - 15 = 6 for the last; a lack is not made up for.
    assert [(b.low, b.wanted, b.there, b.taken) for b in found.buckets] == [
        (0.5, 3, 30, 3), (0.6, 4, 30, 4), (0.7, 4, 3, 3), (0.8, 4, 30, 4), (0.9, 6, 30, 6),
    ]  # fmt: skip
    assert Counter(np.floor(learner[found.easy] * 10 + 1e-9).clip(max=9).tolist()) == {5: 3, 6: 4, 7: 3, 8: 4, 9: 6}
    assert len(set(found.easy.tolist())) == 20


def test_recognised_absents_take_their_share_of_the_buckets() -> None:
    absent = np.array([True] * 3 + [False] * 17 + [True] * 30 + [False] * 90)
    learner = np.array([0.0] * 20 + [1.0] * 30 + [0.55, 0.65, 0.75, 0.85, 0.95] * 18)
    found = choose(learner, np.ones(140), absent, np.random.default_rng(0), "buckets")
    assert found.learnable.tolist() == list(range(20))
    assert int(absent[found.easy].sum()) == 5  # 20 * 30 / 120
    assert [b.taken for b in found.buckets] == [2, 3, 3, 3, 4]  # of 15: the shares of the released code


def test_all_absent_ones_may_be_kept() -> None:
    learner = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.9])
    absent = np.array([False, True, True, True, True, False, False, False])
    found = choose(learner, np.ones(8), absent, np.random.default_rng(0), all_absent=True)
    assert found.learnable.tolist() == [0, 1] and len(found.easy) == 2
    assert sorted([*found.besides, *found.easy[absent[found.easy]]]) == [2, 3, 4]


class Data:
    """Twenty samples of one picture, learner and reference scores for their visible questions."""

    learner = (0.0, 0.12, 0.22, 0.32, 0.42, 0.47, 0.5, 0.62, 0.72, 0.82, 0.92, 1.0, 0.57, 0.67, 0.77, 0.87)
    reference = (0.9, 0.9, 0.1, 0.9, 0.2, 0.5, 0.0, 0.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        cv2.imwrite(str(folder / "a.png"), np.zeros((100, 100, 3), np.uint8))
        boxes = [(30.0 + i, 10.0, 80.0, 60.0) for i in range(16)]
        self.samples = [
            Sample(str(folder / "a.png"), f"thing {i}", box, (0.0, 0.0, 90.0, 90.0), 0.5, 100, 100, f"It is {i}.")
            for i, box in enumerate(boxes)
        ]
        # Two absents: one that the learner misses, one that it recognises.
        self.samples += [Sample(str(folder / "a.png"), f"none {i}", None, None, None, 100, 100) for i in range(2)]
        write_samples(folder / "data.jsonl", self.samples)
        questions = {q.sent: q for q in all_questions(self.samples, ["visible"], folder)}
        assert len(questions) == 18
        for name, values in (("learner", self.learner), ("reference", self.reference)):
            lines = [
                {"key": questions[f"thing {i}"].key, "task": "visible", "iou": iou, "outcome": "found"}
                for i, iou in enumerate(values)
            ]
            for i, outcome in enumerate(("found" if name == "learner" else "absent", "absent")):
                key = questions[f"none {i}"].key
                lines.append({"key": key, "task": "visible", "iou": None, "outcome": outcome})
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def config(self, output: str, **changes: object) -> SelectConfig:
        settings: dict[str, object] = {
            "data": [str(self.folder / "data.jsonl")], "output": str(self.folder / output),
            "learner": str(self.folder / "learner.jsonl"), "reference": str(self.folder / "reference.jsonl"),
        }  # fmt: skip
        return SelectConfig(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path)


LEARNABLE = {"thing 0", "thing 1", "thing 3", "thing 5", "none 0"}
SOLVED = {f"thing {i}" for i in range(6, 16)} | {"none 1"}


def test_a_run_leaves_its_samples_and_says_what_it_found(data: Data, capsys: pytest.CaptureFixture[str]) -> None:
    file = select(data.config("run"))
    chosen = list(read_samples(file))
    visible = [s.sent for s in chosen if s.task == "visible"]
    assert set(visible) >= LEARNABLE and set(visible) - LEARNABLE <= SOLVED and len(visible) == len(set(visible)) == 10
    assert [s.sent for s in chosen if s.task == "amodal"] == [s.sent for s in data.samples], "amodal takes everything"
    assert {replace(s, task="") for s in chosen} <= set(data.samples)

    report = json.loads((file.parent / "report.json").read_text())
    assert report["samples"] == 28 and report["tasks"]["amodal"]["chosen"] == 18
    found = report["tasks"]["visible"]
    assert found["learnable"] == {"all": 5, "absent": 1}
    assert (found["easy"]["all"], found["solved"], found["unsolved"]) == (5, 11, 2)
    assert (found["learner"]["right"], found["reference"]["right"]) == (11, 14)
    assert (found["learner"]["absent"], found["learner"]["absent_right"]) == (2, 1)
    assert found["learner"]["iou_histogram"] == [1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert found["learner"]["mean_iou"] == pytest.approx(sum(data.learner) / 16)
    said = capsys.readouterr().out
    assert "right in 11 of 18 (61.1%), mean IoU 0.563, absent 1 of 2" in said and "learnable 5 (1 absent)" in said
    assert cv2.imread(str(file.parent / "histograms.png")).std() > 10

    choices = [json.loads(line) for line in (file.parent / "choices.jsonl").read_text().splitlines()]
    assert {c["sent"] for c in choices if c["choice"] == "learnable"} == LEARNABLE
    assert [c for c in choices if c["sent"] == "thing 4" and c["task"] == "visible"] == [
        {"image": str(data.folder / "a.png"), "sent": "thing 4", "task": "visible", "absent": False, "learner": 0.42,
         "reference": 0.2, "choice": ""}
    ]  # fmt: skip


def test_the_draw_depends_on_the_seed_and_not_on_the_order(data: Data) -> None:
    first = select(data.config("first")).read_text()
    assert select(data.config("again")).read_text() == first
    draws = {
        frozenset(s.sent for s in read_samples(select(data.config(f"seed{seed}", seed=seed, tasks=["visible"]))))
        for seed in range(4)
    }
    assert len(draws) > 1
    write_samples(data.folder / "data.jsonl", data.samples[::-1])
    turned = list(read_samples(select(data.config("turned"))))
    write_samples(data.folder / "data.jsonl", data.samples)
    assert turned != list(read_samples(data.folder / "first/samples.jsonl"))
    assert sorted(turned, key=str) == sorted(read_samples(data.folder / "first/samples.jsonl"), key=str)


def test_the_reference_may_be_asked_about_failures_only_or_be_the_truth(data: Data) -> None:
    everything = select(data.config("everything")).read_text()
    assert select(data.config("failures", reference_on="failures")).read_text() == everything
    believed = [s.sent for s in read_samples(select(data.config("truth", reference="truth", tasks=["visible"])))]
    assert {f"thing {i}" for i in range(6)} | {"none 0"} <= set(believed) and len(believed) == 14


def test_amodal_questions_can_be_selected_too(data: Data) -> None:
    keys = [q.key for q in all_questions(data.samples, ["amodal"], data.folder)]
    lines = (data.folder / "learner.jsonl").read_text()
    for key, iou in zip(keys, [0.2, 0.9] * 8, strict=False):
        lines += json.dumps({"key": key, "task": "amodal", "iou": iou, "outcome": "found"}) + "\n"
    (data.folder / "learner.jsonl").write_text(lines)
    file = select(data.config("run", tasks=["amodal"], amodal="select", reference="truth"))
    assert Counter(s.task for s in read_samples(file)) == {"amodal": 16}
    found = json.loads((file.parent / "report.json").read_text())["tasks"]["amodal"]
    assert (found["questions"], found["scored"], found["learnable"]["all"]) == (18, 16, 8)
    assert "2 have no score and are left out" in (file.parent / "report.txt").read_text()


def test_fine_tuning_trains_on_what_a_chosen_sample_stands_for(data: Data) -> None:
    file = select(data.config("run", reference="truth"))
    made = list(rows(read_samples(file), family("qwen3_vl"), ["visible", "amodal"], "{prompt}", "<end>"))
    amodal = [row for row in made if " amodally, " in row["prompt"]]
    assert (len(made) - len(amodal), len(amodal)) == (14, 18)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": []}, "data and tasks must not be empty"),
        ({"learner": "truth"}, "learner is 'truth'; give a model folder"),
        ({"learner": ["localhost:8000"]}, "list of servers"),
        ({"learner": ["http://localhost:8000"]}, "learner_family: qwen3_vl or qwen3_5 or internvl3"),
        ({"reference": 7}, "reference is 7; .* or truth"),
        ({"data": ["nowhere.jsonl"]}, "no such file"),
        ({"learner": "nowhere.jsonl"}, "there are no scores at nowhere.jsonl"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_remedy(data: Data, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        select(data.config("run", **changes))


def test_nothing_to_learn_is_an_error_and_not_an_empty_file(data: Data) -> None:
    lines = (data.folder / "reference.jsonl").read_text().replace('"iou": 0.9', '"iou": 0.1')
    lines = lines.replace('"iou": 0.5', '"iou": 0.1').replace('"absent"', '"found"')
    (data.folder / "reference.jsonl").write_text(lines)
    with pytest.raises(ConfigurationError, match="the reference solves nothing"):
        select(data.config("run", tasks=["visible"]))
    assert not (data.folder / "run/samples.jsonl").exists()


def test_all_questions_about_absent_objects_are_kept_if_wished(data: Data) -> None:
    files = {absent: select(data.config(absent, absent=absent, seed=3)) for absent in ("select", "all")}
    visible = {absent: [s for s in read_samples(file) if s.task == "visible"] for absent, file in files.items()}
    assert {s.sent for s in visible["all"] if s.bbox is None} == {"none 0", "none 1"}
    besides = len(visible["all"]) - len(visible["select"])
    assert json.loads((files["all"].parent / "report.json").read_text())["tasks"]["visible"]["besides"] == besides
    assert besides == (not any(s.sent == "none 1" for s in visible["select"]))


def test_missing_images_are_listed_and_beyond_a_share_refused(data: Data) -> None:
    lost = replace(data.samples[0], image=str(data.folder / "lost.png"))
    write_samples(data.folder / "data.jsonl", [*data.samples, lost])
    words = r"1 of 2 images can't be used, such as .*data\.jsonl:19: .*lost\.png \(missing\)"
    with pytest.raises(ConfigurationError, match=words):
        select(data.config("run"))
    file = select(data.config("run", missing_share=0.5))
    assert all(s.image != lost.image for s in read_samples(file))
    left_out = json.loads((file.parent / "left_out.jsonl").read_text())
    assert left_out == {"place": f"{data.folder}/data.jsonl:19", "why": f"{lost.image}: missing"}


def test_the_embedded_models_file_is_a_selection(capsys: pytest.CaptureFixture[str]) -> None:
    config = load(SelectConfig, ROOT / "training/egm_tiny/select.yaml")
    assert (config.reference, config.easy, config.amodal, config.tasks) == (
        "truth",
        "uniform",
        "all",
        ["visible", "amodal"],
    )
    assert main(["select", "--config", str(ROOT / "training/egm_tiny/select.yaml"), "easy=hard"]) == 2
    assert "easy is 'hard'; it must be 'uniform' or 'buckets'" in capsys.readouterr().err
