"""From instruction and picture to one outcome, with real engines and with a server that says what it is told."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from checkpoints import ABSENT, FOUND, TRACES
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))
import misbehaving

from egm_core.engines import Completion, Engine, Token
from egm_core.engines.local import TransformersEngine
from egm_core.engines.openai import OpenAIEngine, Timeouts
from egm_core.families import Reason, family
from egm_core.grounder.grounder import Grounder, token_score
from egm_core.grounder.reading import EXPLANATIONS, label_doubt, read
from egm_core.models.calibration import Curve, Measured, save
from egm_core.models.domain import Domain
from egm_core.models.folder import ModelInfo, load_info

BOTH = ModelInfo("told", "qwen3_vl", tasks=("visible", "amodal"))
SIZE = (200, 100)


@pytest.fixture(scope="module")
def server() -> Iterator[misbehaving.Server]:
    with misbehaving.running() as server:
        yield server


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.zeros((SIZE[1], SIZE[0], 3), np.uint8)


def says(*boxes: tuple[float, ...] | None) -> str:
    """Write the raw answers (visible, amodal) of a Qwen model, as the server's behaviour."""
    speaker = family("qwen3_vl")
    return "says:" + "||".join(speaker.target("the mug", box, "Thought.", "visible") for box in boxes)  # type: ignore[arg-type]


def ground(server: misbehaving.Server, behaviour: str, image: NDArray[np.uint8], **options: Any) -> Any:
    info = options.pop("info", BOTH)
    call = {name: options.pop(name) for name in ("timeout",) if name in options}
    patience = Timeouts(connect=2, read=2, total=5)
    with OpenAIEngine(server.url, model=behaviour, dialect="openai", timeouts=patience) as engine:
        grounder = Grounder(engine, info, **options)
        try:
            return grounder.ground(image, "the mug", **call)
        finally:
            grounder.close()


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


class TestScore:
    def test_is_the_geometric_mean_of_the_coordinate_tokens(
        self, server: misbehaving.Server, picture: NDArray[np.uint8]
    ) -> None:
        found = ground(server, says((100, 200, 300, 400)), picture)
        assert found.score_available
        assert found.score == pytest.approx(math.exp(-0.5))

    def test_counts_only_tokens_with_digits_of_the_box_and_of_the_thought(self) -> None:
        speaker = family("qwen3_vl")
        text = speaker.target("mug 7", (1, 22, 333, 444), "At (5,5).", "visible")
        tokens = tuple(Token(letter, -1.0 if letter.isdigit() else -9.0) for letter in text)
        score, available = token_score(Completion(text, tokens, "stop"), speaker.parse(text))
        assert available
        assert score == pytest.approx(math.exp(-1))
        # Nine digits of the box, two of the point; the label's is no number that the model chose.
        thought = text.index("</think>")
        span = speaker.parse(text).span
        assert span is not None
        values = [-3.0 if i < thought else -1.0 if i < span[1] else -9.0 for i in range(len(text))]
        for left_out, wanted in ((False, -(2 * 3 + 9) / 11), (True, -1.0)):
            told = [None if left_out and i < thought else value for i, value in enumerate(values)]
            tokens = tuple(Token(letter, value) for letter, value in zip(text, told, strict=True))
            score, available = token_score(Completion(text, tokens, "stop"), speaker.parse(text))
            assert available and score == pytest.approx(math.exp(wanted))
        unknown = tuple(Token(letter, -1.0 if i < span[0] else None) for i, letter in enumerate(text))
        assert token_score(Completion(text, unknown, "stop"), speaker.parse(text)) == (0.0, False)

    def test_is_unavailable_without_probabilities_and_then_exempt_from_the_minimum(
        self, server: misbehaving.Server, picture: NDArray[np.uint8]
    ) -> None:
        server.logs = False
        try:
            found = ground(server, says((100, 200, 300, 400)), picture, min_score=0.99)
        finally:
            server.logs = True
        assert (found.outcome, found.score, found.score_available) == ("found", 0.0, False)

    def test_below_the_minimum_is_withheld(self, server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
        found = ground(server, says((100, 200, 300, 400)), picture, min_score=0.7)
        assert (found.outcome, found.reason, found.visible, found.amodal) == ("absent", "low_score", None, None)
        assert "held against raw scores" in found.detail
        assert "min_score_is_held_against_raw_scores" in found.warnings
        assert found.raw_score == found.score > 0.0
        kept = ground(server, says((100, 200, 300, 400)), picture, min_score=0.01)
        assert (kept.outcome, "min_score_is_held_against_raw_scores" in kept.warnings) == ("found", True)


class TestWhatIsAsked:
    def tasks(self, info: ModelInfo, **options: Any) -> tuple[tuple[str, ...], str]:
        with OpenAIEngine("http://127.0.0.1:9", dialect="openai") as engine:
            grounder = Grounder(engine, info, **options)
            grounder.close()
            return grounder.tasks, " ".join(grounder._warnings)

    def test_only_what_the_model_declares(self) -> None:
        assert self.tasks(BOTH) == (("visible", "amodal"), "")
        assert self.tasks(ModelInfo("m", "qwen3_vl")) == (("visible",), "")

    def test_forcing_amodal_warns(self) -> None:
        tasks, warning = self.tasks(ModelInfo("m", "qwen3_vl"), force_amodal=True)
        assert tasks == ("visible", "amodal")
        assert "amodal_forced: m" in warning

    def test_asking_for_amodal_without_force_warns_and_does_not(self) -> None:
        tasks, warning = self.tasks(ModelInfo("m", "qwen3_vl"), tasks=("visible", "amodal"))
        assert tasks == ("visible",)
        assert "amodal_undeclared: m" in warning

    def test_visible_only_on_wish(self) -> None:
        assert self.tasks(BOTH, tasks=("visible",)) == (("visible",), "")

    def test_prompts_sampling_and_pixels(self, server: misbehaving.Server) -> None:
        info = ModelInfo("m", "internvl3", tasks=("visible", "amodal"), max_pixels=20_000, max_tokens=33)
        with OpenAIEngine(server.url, model="x", dialect="openai") as engine:
            grounder = Grounder(engine, info)
            queries = grounder.queries(np.zeros((300, 400, 3), np.uint8), "the red mug.")
            grounder.close()
        assert queries["visible"].prompt == family("internvl3").prompt("the red mug", "visible")
        assert queries["amodal"].prompt == family("internvl3").prompt("the red mug", "amodal")
        assert queries["visible"].image.shape[0] * queries["visible"].image.shape[1] <= 20_000
        sampling = queries["visible"].sampling
        assert (sampling.max_tokens, sampling.temperature, sampling.top_p, sampling.top_k) == (33, 0.0, 1.0, 20)

    @pytest.mark.parametrize("instruction", ["", "  \n", "."])
    def test_an_empty_instruction_is_refused(self, server: misbehaving.Server, instruction: str) -> None:
        with OpenAIEngine(server.url, model="says:x", dialect="openai") as engine:
            grounder = Grounder(engine, BOTH)
            with pytest.raises(ValueError, match="instruction is empty"):
                grounder.ground(np.zeros((8, 8, 3), np.uint8), instruction)
            grounder.close()


class TestGivingUp:
    def test_cancelling_the_task_hangs_up(self, server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
        server.hung_up.clear()

        async def cancelled() -> float:
            with OpenAIEngine(server.url, model="drip", dialect="openai") as engine:
                grounder = Grounder(engine, BOTH)
                task = asyncio.ensure_future(grounder.ask(picture, "the mug"))
                await asyncio.sleep(0.3)
                began = time.monotonic()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                took = time.monotonic() - began
                assert server.hung_up.wait(10), "hung up while the engine is still open"
                grounder.close()
            return took

        assert asyncio.run(cancelled()) < 1

    def test_timeout(self, server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
        found = ground(server, "drip", picture, timeout=0.2)
        assert (found.outcome, found.reason) == ("error", "timeout")
        assert 200 <= found.total_ms < 3000

    def test_many_pictures_at_once_in_one_loop(self, server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
        async def several(grounder: Grounder) -> list[Any]:
            return await asyncio.gather(*(grounder.ask(picture, "the mug") for _ in range(20)))

        with OpenAIEngine(server.url, model=says((100, 200, 300, 400), None), dialect="openai") as engine:
            grounder = Grounder(engine, BOTH)
            assert {found.outcome for found in asyncio.run(several(grounder))} == {"found"}
            grounder.close()

    def test_it_may_be_waited_for_where_a_loop_runs(
        self, server: misbehaving.Server, picture: NDArray[np.uint8]
    ) -> None:
        async def notebook() -> Any:
            return ground(server, says((100, 200, 300, 400), None), picture)

        assert asyncio.run(notebook()).outcome == "found"


PROSE = "Thought.\n</think>\n\nThe mug is at [100, 200, 300, 400]."


def test_an_answer_beside_the_format_is_salvaged_and_says_so(
    server: misbehaving.Server, picture: NDArray[np.uint8]
) -> None:
    found = ground(server, f"says:{PROSE}||{PROSE.replace('300', '600')}", picture)
    assert (found.outcome, found.visible) == ("found", pytest.approx((20, 20, 60, 40)))
    assert found.amodal == pytest.approx((20, 20, 120, 40))
    assert found.repairs == ("salvaged: prose", "amodal_salvaged: prose")
    gone = ground(server, "says:Thought.\n</think>\n\nThere is no mug in the image.", picture, tasks=("visible",))
    assert (gone.outcome, gone.repairs) == ("absent", ("salvaged: words",))


def test_what_was_asked_chooses_among_named_boxes(server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
    named = '{"cup": [5, 6, 70, 80], "the mug": [100, 200, 300, 400]}'
    found = ground(server, f"says:Thought.\n</think>\n\n{named}", picture, tasks=("visible",))
    assert (found.outcome, found.visible, found.repairs) == (
        "found",
        pytest.approx((20, 20, 60, 40)),
        ("salvaged: nested",),
    )
    other = named.replace("the mug", "jug")
    assert ground(server, f"says:Thought.\n</think>\n\n{other}", picture, tasks=("visible",)).reason == "ambiguous"


def test_salvaged_scores_are_raw_for_none_was_measured(
    server: misbehaving.Server, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = {"visible": Curve((0.0, 1.0), (0.0, 0.5)), "amodal": Curve((0.0, 1.0), (0.0, 0.5))}
    monkeypatch.setattr(Grounder, "_curves", lambda self: curves)
    strict = ground(server, says((100, 200, 300, 400)), picture)
    assert strict.calibrated == ("visible", "amodal")
    found = ground(server, f"says:{PROSE}", picture)
    assert found.score_available and found.calibrated == () and found.score == found.raw_score


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ('x\n</think>\n\n[{"bbox_2d": [1, 2, 3', "length", "truncated"),
        ('x\n</think>\n\n[{"bbox_2d": [1, 2, 3', "stop", "unfinished"),
        ("The mug stands", "length", "truncated"),
        ("<think>The mug stands", "stop", "unfinished"),
        ("The mug stands", "stop", "no_box"),
        # A draft in a reasoning that the limit cut, and prose that it cut behind the box.
        ("A draft:\n```json\n[[1, 2, 3, 4]]\n```", "length", "truncated"),
        (PROSE, "length", "truncated"),
        (PROSE, "stop", ""),
        ("x\n</think>\n\n[[1, 2, 3, 4]]", "length", ""),
        ("x\n</think>\n\n[[0.1, 0.2, 0.3, 0.4]]", "stop", "fractions"),
        ("x\n</think>\n\n[[10, 20, 1300, 40]]", "stop", "out_of_range"),
    ],
)
def test_only_what_the_limit_cut_is_called_truncated(text: str, finish: str, reason: str) -> None:
    answer = read(family("qwen3_vl"), Completion(text, (), finish))
    assert (answer.kind, answer.reason) == ("invalid" if reason else "box", reason)
    assert not reason or EXPLANATIONS[reason]


def test_every_reason_is_explained() -> None:
    assert set(EXPLANATIONS) == set(get_args(Reason)) - {""}


@pytest.mark.parametrize(
    ("label", "sent", "doubted"),
    [
        ("the second bowl", "the giraffe", True),
        ("the blue mug", "the red mug", True),
        ("mug", "the red mug on the left", False),
        ("The red mugs", "a red mug", False),
        ("", "the red mug", False),
        ("object", "the red mug", False),
        ("格子衬衫", "找到格子衬衫", False),
    ],
)
def test_a_label_that_was_not_asked_for_is_doubted(label: str, sent: str, doubted: bool) -> None:
    assert label_doubt(label, sent) == ((f"label_differs: {label}",) if doubted else ())


def test_the_answer_carries_the_doubt_in_its_label(server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
    text = family("qwen3_vl").target("the second bowl", (0, 0, 500, 500), "", "visible")
    found = ground(server, f"says:{text}", picture)
    assert (found.outcome, found.warnings) == ("found", ("label_differs: the second bowl",))


@pytest.fixture
def narrow(tmp_path: Path) -> ModelInfo:
    """A model that was trained on noise, and on cups."""
    rng = np.random.default_rng(0)
    known = [np.clip(rng.normal(120, 40, (48, 64, 3)), 0, 255).astype(np.uint8) for _ in range(120)]
    Domain.fit({"the", "cup"}, [known]).save(tmp_path / "domain.json")
    return replace(BOTH, path=tmp_path, domain="domain.json")


class TestOutOfDomain:
    def test_no_score_is_called_calibrated(
        self,
        server: misbehaving.Server,
        picture: NDArray[np.uint8],
        narrow: ModelInfo,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        curves = {"visible": Curve((0.0, 1.0), (0.0, 0.5)), "amodal": Curve((0.0, 1.0), (0.0, 0.5))}
        monkeypatch.setattr(Grounder, "_curves", lambda self: curves)
        asked = says((100, 200, 300, 400))
        assert ground(server, asked, picture, info=replace(narrow, domain=None)).calibrated == ("visible", "amodal")
        found = ground(server, asked, picture, info=narrow)
        assert (found.outcome, found.calibrated) == ("found", ())
        assert found.score == found.raw_score > 0.5

    def test_answers_are_taken_back_on_wish(
        self, server: misbehaving.Server, picture: NDArray[np.uint8], narrow: ModelInfo
    ) -> None:
        found = ground(server, says((0, 0, 500, 500)), picture, info=narrow, out_of_domain="absent")
        assert (found.outcome, found.reason, found.visible, found.amodal) == ("absent", "out_of_domain", None, None)
        assert not found.score_available and found.raw_visible
        assert "unknown_words: mug" in found.detail and "image_unlike_training" in found.detail
        assert found.warnings == ("unknown_words: mug", "image_unlike_training")

    def test_an_amodal_model_has_its_own_worlds(
        self, server: misbehaving.Server, picture: NDArray[np.uint8], narrow: ModelInfo
    ) -> None:
        found = ground(server, says((0, 0, 500, 500)), picture, amodal_info=narrow, out_of_domain="absent")
        assert (found.outcome, found.amodal) == ("found", None)
        assert found.warnings[1:] == ("unknown_words: mug", "image_unlike_training")

    def test_a_model_that_does_not_tell_its_worlds_keeps_its_answers_and_says_so(
        self, server: misbehaving.Server, picture: NDArray[np.uint8]
    ) -> None:
        found = ground(server, says((0, 0, 500, 500)), picture, out_of_domain="absent")
        assert found.outcome == "found"
        assert found.warnings[0].startswith("out_of_domain_unknown: told")


def test_foreign_words_and_pictures_are_doubted(
    server: misbehaving.Server, picture: NDArray[np.uint8], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    known = [np.clip(rng.normal(120, 40, (48, 64, 3)), 0, 255).astype(np.uint8) for _ in range(120)]
    Domain.fit({"the", "cup"}, [known]).save(tmp_path / "domain.json")
    info = replace(BOTH, path=tmp_path, domain="domain.json")
    found = ground(server, says((0, 0, 500, 500)), picture, info=info)
    assert found.outcome == "found"
    assert found.warnings == ("unknown_words: mug", "image_unlike_training")
