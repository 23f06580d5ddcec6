"""vLLM under a robot's load: two questions of a picture share what they begin with, and many cameras ask at once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from server import MARKS, serving

from egm_core.engines import Completion, Request, Sampling, collect
from egm_core.engines.openai import OpenAIEngine
from egm_core.evaluate.queries import scene_queries
from egm_core.families import TASKS, Task
from egm_core.models.folder import EMBEDDED, load_info, resolve
from egm_core.scenes.generator import Generator

pytestmark = MARKS
INFO = load_info(resolve(EMBEDDED))
CAMERAS = (1, 2, 4, 8, 16)
NAMES = count()
Shown = tuple[NDArray[np.uint8], str]
COUNTED = ("prefix_cache_queries", "prefix_cache_hits", "mm_cache_hits")


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAIEngine]:
    """The embedded model, with the room of a robot's sixteen cameras."""
    with serving(resolve(EMBEDDED), tmp_path_factory.mktemp("vllm"), "--max-num-seqs", "32") as engine:
        yield engine


@pytest.fixture(scope="module")
def pictures() -> Iterator[Iterator[Shown]]:
    """Pictures that no question was about before, each with words for one of its objects."""
    generator = Generator()

    def shown() -> Iterator[Shown]:
        for seed in count(910_000_000):
            scene = generator.scene(seed)
            yield INFO.fit(scene.image), scene_queries(scene, 1)[0].text

    yield shown()
    generator.close()


def ask(vllm: OpenAIEngine, shown: Shown, task: Task, tokens: int = 48) -> tuple[Completion, float]:
    """Ask once; gives the answer, and after how many milliseconds it was whole."""
    picture, words = shown
    request = Request(f"{next(NAMES)}", picture, INFO.prompt(words, task), Sampling(max_tokens=tokens))
    began = time.perf_counter()
    return collect(vllm.generate(request)), 1000 * (time.perf_counter() - began)


def counted(vllm: OpenAIEngine, work: Callable[[], list[float]]) -> tuple[list[float], dict[str, float]]:
    """Do some work; gives its milliseconds, and what vLLM counted meanwhile."""

    def look() -> dict[str, float]:
        text = httpx.get(f"{vllm.url}/metrics").text
        return {
            name: sum(float(n) for n in re.findall(rf"^vllm:{name}_total\{{.*\}} (\S+)$", text, re.MULTILINE))
            for name in COUNTED
        }

    before = look()
    times = work()
    return times, {name: value - before[name] for name, value in look().items()}


def test_the_second_question_of_a_picture_finds_what_the_first_one_computed(
    vllm: OpenAIEngine, pictures: Iterator[Shown]
) -> None:
    ask(vllm, next(pictures), "visible", 1)
    seen, apart, together = ([next(pictures) for _ in range(12)] for _ in range(3))

    def both(picture: Shown) -> float:
        began = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda task: ask(vllm, picture, task, 1), TASKS))
        return 1000 * (time.perf_counter() - began)

    for how, work in {
        "visible, of a new picture": lambda: [ask(vllm, picture, "visible", 1)[1] for picture in seen],
        "amodal, of that picture": lambda: [ask(vllm, picture, "amodal", 1)[1] for picture in seen],
        "amodal, of a new picture": lambda: [ask(vllm, picture, "amodal", 1)[1] for picture in apart],
        "both at once, of a new picture": lambda: [both(picture) for picture in together],
    }.items():
        times, told = counted(vllm, work)
        hit = told["prefix_cache_hits"] / told["prefix_cache_queries"]
        print(f"{how}: {np.median(times):.0f} ms to the first token, {100 * hit:.0f} % of the prompt's tokens hit")
        # The words differ after the picture, which has most of the tokens; vLLM keeps whole blocks of 128 on a CPU.
        if how.startswith("amodal, of that"):
            assert hit > 0.6 and told["mm_cache_hits"] == 12
        elif how.startswith("both"):
            assert hit > 0.3 and told["mm_cache_hits"] == 12
        else:
            assert hit == 0 == told["mm_cache_hits"]


def test_up_to_sixteen_cameras_ask_at_once_and_each_gets_its_own_answer(
    vllm: OpenAIEngine, pictures: Iterator[Shown]
) -> None:
    shown = [next(pictures) for _ in range(max(CAMERAS))]
    asked = [(picture, task) for picture in shown for task in TASKS]
    alone = [ask(vllm, *question)[0].text for question in asked]
    assert len(set(alone)) > len(shown)
    for cameras in CAMERAS:
        began = time.perf_counter()
        with ThreadPoolExecutor(2 * cameras) as pool:
            found = list(pool.map(lambda question: ask(vllm, *question), asked))
        seconds = time.perf_counter() - began
        assert [answer.text for answer, _ in found] == alone
        times = [ms for _, ms in found]
        print(
            f"{cameras} cameras, two questions each at once: {len(asked) / seconds:.1f} questions/s, "
            f"{np.median(times):.0f} ms (median), {np.percentile(times, 95):.0f} ms (p95)"
        )
