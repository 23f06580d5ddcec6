"""From instruction and picture to one outcome, with real engines and with a server that says what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import ABSENT, FOUND, TRACES
from numpy.typing import NDArray
from told_answers import BOTH, ground, misbehaving, says

from egm_core.engines import Engine
from egm_core.engines.local import TransformersEngine
from egm_core.engines.openai import OpenAIEngine
from egm_core.families import family
from egm_core.grounder.grounder import Grounder
from egm_core.models.calibration import Curve, Measured, save
from egm_core.models.folder import load_info


class TestWithRealModels:
    """Both families, in process and behind the server."""

    @pytest.fixture(scope="class", params=["local-qwen", "local-internvl", "served-qwen", "served-internvl"])
    def grounder(self, request: pytest.FixtureRequest) -> Iterator[Grounder]:
        where, name = request.param.split("-")
        folder = request.getfixturevalue(f"memorising_{name}")
        engine: Engine = (
            TransformersEngine(folder, threads=1)
            if where == "local"
            else OpenAIEngine(request.getfixturevalue(f"served_{name}"))
        )
        with engine:
            engine.wait_ready(120)
            grounder = Grounder(engine, load_info(folder))
            yield grounder
            grounder.close()

    def test_finds_both_boxes_in_the_pixels_of_the_picture(self, grounder: Grounder) -> None:
        image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
        found = grounder.ground(image, f"  {FOUND}.\n")
        assert (found.outcome, found.reason) == ("found", "")
        assert found.visible == pytest.approx((128, 144, 256, 288))
        assert found.amodal == pytest.approx((96, 144, 256, 288))
        assert found.reasoning == TRACES[FOUND, "visible"]
        assert found.amodal_reasoning == TRACES[FOUND, "amodal"]
        assert found.score_available and 0.8 < found.score <= 1 and 0.8 < found.amodal_score <= 1
        assert (found.warnings, found.repairs, found.boxes_seen) == ((), (), 1)
        assert 0 < found.engine_ms <= found.total_ms
        assert [(each.visible, each.amodal) for each in found.objects] == [(found.visible, found.amodal)]
        assert found.label == FOUND

    def test_says_when_it_is_absent(self, grounder: Grounder, noise: NDArray[np.uint8]) -> None:
        found = grounder.ground(noise, ABSENT)
        assert (found.outcome, found.visible, found.amodal, found.repairs) == ("absent", None, None, ())


@pytest.fixture(scope="module")
def local(memorising_qwen: Path) -> Iterator[TransformersEngine]:
    with TransformersEngine(memorising_qwen, threads=1) as engine:
        engine.wait_ready(120)
        yield engine


def test_both_queries_share_a_batch(
    local: TransformersEngine, memorising_qwen: Path, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    original = local._run
    monkeypatch.setattr(local, "_run", lambda rows: together.append(len(rows)) or original(rows))
    grounder = Grounder(local, load_info(memorising_qwen))
    for _ in range(5):
        grounder.ground(noise, FOUND)
    grounder.close()
    assert 2 in together


def test_an_amodal_model_of_its_own(
    local: TransformersEngine, memorising_qwen: Path, memorising_internvl: Path, noise: NDArray[np.uint8]
) -> None:
    with TransformersEngine(memorising_internvl, threads=1) as other:
        other.wait_ready(120)
        visible = replace(load_info(memorising_qwen), tasks=("visible",))
        pair = Grounder(local, visible, other, load_info(memorising_internvl))
        found = pair.ground(noise, FOUND)
        pair.close()
    assert found.visible is not None and found.amodal is not None
    assert found.raw_visible.endswith("```")
    assert found.raw_amodal is not None and found.raw_amodal.endswith("</box>")


def test_scores_are_probabilities_where_the_weights_were_calibrated_for_the_engine(
    local: TransformersEngine, memorising_qwen: Path, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    for file in memorising_qwen.iterdir():
        (tmp_path / file.name).symlink_to(file)
    visible, amodal = Curve((0.0, 1.0), (0.0, 0.5)), Curve((0.0, 1.0), (0.1, 0.2))

    def ground(**options: Any) -> Any:
        grounder = Grounder(local, load_info(tmp_path), **options)
        found = grounder.ground(noise, FOUND)
        grounder.close()
        return found

    raw = ground()
    assert raw.calibrated == () and (raw.raw_score, raw.raw_amodal_score) == (raw.score, raw.amodal_score)
    save(tmp_path, "vllm", Measured({"visible": visible, "amodal": amodal}, 400_000_000, 1))
    assert ground().calibrated == ()
    save(tmp_path, "transformers", Measured({"visible": visible, "amodal": amodal}, 400_000_000, 1))
    found = ground()
    assert found.calibrated == ("visible", "amodal")
    # How queries are batched shows in a float's last digits.
    assert (found.raw_score, found.raw_amodal_score) == pytest.approx((raw.score, raw.amodal_score), abs=1e-5)
    assert found.score == pytest.approx(found.raw_score / 2)
    assert found.amodal_score == pytest.approx(0.1 + found.raw_amodal_score / 10)
    assert ground(min_score=0.6).reason == "low_score"
    assert ground(min_score=0.3).outcome == "found"
    save(tmp_path, "transformers", Measured({"visible": visible}, 400_000_000, 1))
    assert ground().calibrated == ("visible",)
    assert ground(reasoning=False).calibrated == ()


def test_without_reasoning_it_answers_at_once(
    local: TransformersEngine, memorising_qwen: Path, noise: NDArray[np.uint8]
) -> None:
    grounder = Grounder(local, load_info(memorising_qwen), reasoning=False)
    found = grounder.ground(noise, FOUND)
    grounder.close()
    assert found.visible is not None and found.amodal is not None
    assert (found.reasoning, found.amodal_reasoning) == ("", "")
    assert found.raw_visible.startswith("</think>")


def test_a_server_without_grammars_is_given_a_schema_against_thinking(
    server: misbehaving.Server, picture: NDArray[np.uint8]
) -> None:
    server.bodies.clear()
    ground(server, says((1, 2, 3, 4)), picture, reasoning=False)
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == family("qwen3_vl").json_schema()


def test_the_answer_is_checked_whatever_the_server_promised(
    server: misbehaving.Server, picture: NDArray[np.uint8]
) -> None:
    prose = ground(server, "says:The mug is on the left, at (3, 4).", picture, constrain="regex")
    assert (prose.outcome, prose.visible) == ("error", None)
    assert prose.reason and prose.detail


@pytest.mark.parametrize(
    ("answers", "outcome", "visible", "amodal", "repairs"),
    [
        (((100, 200, 300, 400), (100, 200, 500, 400)), "found", (20, 20, 60, 40), (20, 20, 100, 40), ()),
        (((100, 200, 300, 400), (100, 200, 250, 400)), "found", (20, 20, 60, 40), (20, 20, 60, 40), ("amodal_union",)),
        (((100, 200, 300, 400), (50, 250, 250, 600)), "found", (20, 20, 60, 40), (10, 20, 60, 60), ("amodal_union",)),
        (((100, 200, 300, 400), (600, 600, 700, 700)), "found", (20, 20, 60, 40), None, ("amodal_disagrees",)),
        (((100, 200, 300, 400), None), "found", (20, 20, 60, 40), None, ("amodal_disagrees",)),
        ((None, (600, 600, 700, 700)), "absent", None, None, ("amodal_disagrees",)),
        ((None, None), "absent", None, None, ()),
    ],
)
def test_the_visible_query_decides(
    server: misbehaving.Server,
    picture: NDArray[np.uint8],
    answers: tuple[Any, Any],
    outcome: str,
    visible: Any,
    amodal: Any,
    repairs: tuple[str, ...],
) -> None:
    found = ground(server, says(*answers), picture)
    assert found.outcome == outcome
    assert found.visible == (pytest.approx(visible) if visible else None)
    assert found.amodal == (pytest.approx(amodal) if amodal else None)
    assert found.repairs == repairs


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ('says:x\n</think>\n\n```json\n[\n\t{"bbox_2d": [10, 10, 10, 90], "label": "m"}\n]\n```', "degenerate"),
        ("status:500", "engine_http_500"),
        ("cut", "engine_cut_stream"),
        ("silent", "engine_timeout"),
        ("empty", "engine_empty"),
    ],
)
def test_trouble_is_an_outcome_not_an_exception(
    server: misbehaving.Server, picture: NDArray[np.uint8], behaviour: str, reason: str
) -> None:
    found = ground(server, behaviour, picture)
    assert (found.outcome, found.reason) == ("error", reason)
    assert found.visible is None and found.amodal is None


def test_a_broken_amodal_query_leaves_the_visible_box(server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
    with (
        OpenAIEngine(server.url, model=says((0, 0, 500, 500)), dialect="openai") as good,
        OpenAIEngine(server.url, model="status:500", dialect="openai") as bad,
    ):
        grounder = Grounder(good, BOTH, amodal_engine=bad)
        found = grounder.ground(picture, "the mug")
        grounder.close()
    assert (found.outcome, found.amodal, found.repairs) == ("found", None, ())
    assert found.warnings[0].startswith("amodal_failed: engine_http_500")
