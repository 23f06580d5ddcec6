"""vLLM inside the command that asks, against vLLM's own server: the same questions, the same answers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import pytest
from checkpoints import ABSENT, FOUND
from questions import pictures, questions
from server import IN_ITS_ENVIRONMENT, MARKS, PYTHON, SITE, serving

from egm_core.asking.store import Store
from egm_core.command.curate import main as curate
from egm_core.command.evaluate import main as evaluate
from egm_core.engines import collect
from egm_core.engines.openai import OpenAIEngine
from egm_core.sample import Sample, write_samples

pytestmark = MARKS
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def served(memorising_hybrid: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAIEngine]:
    room = (
        "--limit-mm-per-prompt",
        '{"image": 2}',
        "--max-model-len",
        "2048",
        "--served-model-name",
        memorising_hybrid.name,
    )
    with serving(memorising_hybrid, tmp_path_factory.mktemp("vllm"), *room) as engine:
        yield engine


@pytest.fixture(scope="module")
def by_vllm_s_python() -> Run:
    """Run words by the interpreter of vLLM's environment, with this checkout on its path."""
    path = os.pathsep.join(map(str, (ROOT, SITE, HERE)))
    more = {**IN_ITS_ENVIRONMENT, "PYTHONPATH": path}
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"} | more

    def run(*words: Any, cwd: Path) -> subprocess.CompletedProcess[str]:
        command = [PYTHON, *map(str, words)]
        return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=600)

    return run


@pytest.fixture(scope="module")
def told(memorising_hybrid: Path, by_vllm_s_python: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("inside") / "told.json"
    done = by_vllm_s_python(HERE / "inside.py", memorising_hybrid, out, cwd=out.parent)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(out.read_text())
    print(f"\nvLLM in process ready after {found['loaded']:.0f} s")
    return found


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample file of two pictures, with words that the model knows and others."""
    home = tmp_path_factory.mktemp("samples")
    made = []
    for number, picture in enumerate(pictures()[:2]):
        file = home / f"{number}.png"
        cv2.imwrite(str(file), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        height, width = picture.shape[:2]
        for words in (FOUND, ABSENT, "the box behind the mug"):
            box = (1.0, 2.0, 40.0, 50.0)
            made.append(Sample(str(file), words, box, box, None, height=height, width=width))
    write_samples(home / "samples.jsonl", made)
    return home / "samples.jsonl"


def test_answers_equal_those_of_the_server(told: dict[str, Any], served: OpenAIEngine) -> None:
    theirs = [asdict(collect(served.generate(request))) for request in questions()]
    assert told["state"] == "ready"
    assert len({answer["text"] for answer in theirs}) > 8
    for how in ("together", "alone"):
        assert [one["text"] for one in told[how]] == [one["text"] for one in theirs]
        assert [one["finish"] for one in told[how]] == [one["finish"] for one in theirs]
        for ours, other in zip(told[how], theirs, strict=True):
            assert [token["text"] for token in ours["tokens"]] == [token["text"] for token in other["tokens"]]
            for a, b in zip(ours["tokens"], other["tokens"], strict=True):
                assert a["logprob"] == pytest.approx(b["logprob"], abs=1e-3)
    usage = told["alone"][0]["usage"]
    assert usage["prompt_tokens"] > 20 and usage["completion_tokens"] > 5


def test_says_by_name_what_is_wrong(told: dict[str, Any]) -> None:
    assert told["thinking"] == {"wanted": "open", "unwanted": "shut", "switch": "enable_thinking"}
    for what, words in {"too long": "2048", "no grammar": "(((", "no template": "tokenize"}.items():
        reason, detail = told[what]
        assert reason == "engine_request" and words in detail
    assert told["closed"][0] == "engine_closed"
    assert told["broken"][0] == "engine_failed" and told["broken"][1]


def test_abort_ends_an_answer_and_a_dead_engine_is_told(told: dict[str, Any]) -> None:
    assert told["begun"]["finish"] is None
    assert told["stopped"]["finish"] == "abort"
    assert told["after"]["text"] == told["alone"][0]["text"]
    assert told["dead"][0] == "engine_closed" and "died" in told["dead"][1]
    assert told["health"] == "failed"


@pytest.mark.parametrize("more", [(), ("--no-reasoning",)])
def test_egm_evaluate_gives_the_figures_of_the_server(
    served: OpenAIEngine, memorising_hybrid: Path, samples: Path, by_vllm_s_python: Run, tmp_path: Path, more: Any
) -> None:
    asked = [str(samples), "--model", str(memorising_hybrid), "--batch", "4", *more]
    assert evaluate(["refer", *asked, "--engine-url", served.url, "--json", str(tmp_path / "served.json")]) == 0
    inside = ["--engine", "vllm-in-process", "--engine-precision", "float32", "--json", tmp_path / "inside.json"]
    done = by_vllm_s_python("-m", "egm_core.evaluate", "refer", *asked, *inside, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    one, two = (json.loads((tmp_path / name).read_text()) for name in ("served.json", "inside.json"))
    assert (one["engine"], two["engine"]) == ("vllm", "vllm")
    assert len(one["rows"]) == len(two["rows"]) == 6
    for ours, theirs in zip(two["rows"], one["rows"], strict=True):
        for field in set(theirs) - {"seconds", "ms", "at"}:
            assert ours[field] == pytest.approx(theirs[field], abs=1e-3), field


def test_egm_curate_asks_about_two_pictures_in_every_way(
    served: OpenAIEngine,
    memorising_hybrid: Path,
    samples: Path,
    by_vllm_s_python: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = ["express", str(samples), "--temperature", "0", "--max-tokens", "60", "--retries", "0"]
    curate([*asked, "--out", str(tmp_path / "served.jsonl"), "--teacher-url", served.url, "--ledger",
            str(tmp_path / "served.sqlite"), "--teacher-model", memorising_hybrid.name])  # fmt: skip
    for name, value in IN_ITS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    float32 = ["--engine-precision", "float32", "--teacher-model", str(memorising_hybrid)]
    curate([*asked, "--out", str(tmp_path / "started.jsonl"), "--ledger", str(tmp_path / "started.sqlite"),
            "--engine", "vllm", "--engine-python", PYTHON, *float32])  # fmt: skip
    inside = ["--engine", "vllm-in-process", *float32]
    out = ["--out", tmp_path / "inside.jsonl", "--ledger", tmp_path / "inside.sqlite"]
    done = by_vllm_s_python("-m", "egm_core.curate", *asked, *inside, *out, cwd=tmp_path)
    kept = []
    for name in ("served.sqlite", "inside.sqlite", "started.sqlite"):
        with Store(tmp_path / name, {"what": "answers of teachers"}) as store:
            kept.append({answer.key: (answer.text, answer.error, answer.model) for answer, _ in store.answers()})
    assert len(kept[0]) == 6 and not any("image" in error for _, error, _ in kept[0].values()), kept[0]
    assert kept[1] == kept[0], done.stderr[-2000:]
    assert kept[2] == kept[0]
