"""What is asked of an engine, what its score is made of, and how a query ends that is given up."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from told_answers import BOTH, ground, misbehaving, says

from egm_core.engines import Completion, Token
from egm_core.engines.openai import OpenAIEngine
from egm_core.families import family
from egm_core.grounder.grounder import Grounder
from egm_core.grounder.scoring import edge_logprobs, opening_logprob, token_score
from egm_core.models.folder import ModelInfo


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

    def test_each_edge_has_the_sum_of_its_tokens(self) -> None:
        text = family("qwen3_vl").target("mug 7", (1, 22, 333, 444), "At (5,5).", "visible")
        answer = family("qwen3_vl").parse(text)
        tokens = tuple(Token(letter, -1.0 if letter.isdigit() else -9.0) for letter in text)
        assert edge_logprobs(Completion(text, tokens, "stop"), answer) == (-1.0, -2.0, -3.0, -3.0)
        blind = tuple(Token(letter, None) for letter in text)
        assert edge_logprobs(Completion(text, blind, "stop"), answer) is None
        assert edge_logprobs(Completion(text, (), "stop"), answer) is None
        none = family("qwen3_vl").parse("```json\n[]\n```")
        assert edge_logprobs(Completion("```json\n[]\n```", blind, "stop"), none) is None

    def test_the_opening_has_all_before_the_box_and_nothing_of_the_thought(self) -> None:
        thought = "At (5,5).\n</think>"
        box = '\n\n```json\n[\n\t{"bbox_2d": [', '1, 22, 333, 444], "label": "it"}\n]\n```'
        for answer, said in (box, ("```json\n[]\n```", "")):
            text = thought + answer + said
            values = [-9.0] * len(thought) + [-1.0] * len(answer) + [-5.0] * len(said)
            tokens = tuple(Token(letter, value) for letter, value in zip(text, values, strict=True))
            parsed = family("qwen3_vl").parse(text)
            assert opening_logprob(Completion(text, tokens, "stop"), parsed) == -len(answer)
            assert opening_logprob(Completion(text, (), "stop"), parsed) is None
            blind = (*tokens[: len(thought) + 1], Token(text[len(thought) + 1]), *tokens[len(thought) + 2 :])
            assert opening_logprob(Completion(text, blind, "stop"), parsed) is None
        broken = family("qwen3_vl").parse("I would rather talk.")
        assert opening_logprob(Completion("a", (Token("a", -1.0),), "stop"), broken) is None

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
