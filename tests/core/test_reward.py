"""The reward: Eq. 8 by hand-computed values, absence, the released code's pixels, both signatures, and any rubbish."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

import egm_core
from egm_core.families import FAMILIES, family
from egm_core.reward import compute_score, score, trl_reward
from egm_core.thought_price import answer_text, priced, reasoned

QWEN, INTERNVL = family("qwen3_vl"), family("internvl3")
EMBEDDED = Path(egm_core.__file__).parent / "weights" / "egm_tiny"
TRUTH = (100.0, 100.0, 300.0, 300.0)
ABSENT = "None is there.\n</think>\n\n```json\n[]\n```"


def qwen(*box: float) -> str:
    return f'Mug: (200,200).\n</think>\n\n```json\n[\n\t{{"bbox_2d": {list(box)}, "label": "mug"}}\n]\n```'


@pytest.mark.parametrize(
    ("answer", "truth", "reward", "correct"),
    [
        (qwen(100, 100, 300, 300), TRUTH, 1.0, True),
        (qwen(100, 100, 300, 200), TRUTH, 0.75, True),  # IoU 0.5 is a success
        (qwen(100, 100, 300, 199), TRUTH, 0.2475, False),
        (qwen(100, 100, 200, 200), TRUTH, 0.125, False),
        (qwen(300, 300, 100, 100), TRUTH, 1.0, True),  # corners are sorted
        (qwen(500, 500, 600, 600), TRUTH, 0.0, False),
        (qwen(100, 100, 100, 300), TRUTH, 0.0, False),
        (qwen(-50, 100, 300, 300), (0.0, 100.0, 300.0, 300.0), 1.0, True),  # cut to the picture
        (qwen(1200, 1200, 1300, 1300), (900.0, 900.0, 1000.0, 1000.0), 0.0, False),
        ("Mug: (100,100) to (300,300), and", TRUTH, 1.0, True),  # the paper's rules take the last four numbers
        ("nothing to see", TRUTH, 0.0, False),
        ("", TRUTH, 0.0, False),
        (ABSENT, TRUTH, 0.0, False),
        ("Mugs: (100,100), (300,300).\n</think>\n\n```json\n[]\n```", TRUTH, 0.0, False),
        (ABSENT, None, 1.0, True),
        (qwen(100, 100, 300, 300), None, 0.0, False),
        ("nothing to see", None, 0.0, False),
    ],
)
def test_rewards_by_hand(answer: str, truth: Any, reward: float, correct: bool) -> None:
    scores = score([answer], [truth], QWEN)
    assert scores.reward.tolist() == pytest.approx([reward])
    assert scores.correct.tolist() == [correct]


@pytest.mark.parametrize(("weight", "half", "quarter"), [(0.0, 0.5, 0.25), (0.5, 0.75, 0.125), (1.0, 1.0, 0.0)])
def test_success_weight_mixes_success_and_overlap(weight: float, half: float, quarter: float) -> None:
    answers = [qwen(100, 100, 300, 200), qwen(100, 100, 200, 200), ABSENT]
    assert score(answers, [TRUTH, TRUTH, None], QWEN, weight).reward.tolist() == pytest.approx([half, quarter, 1.0])


def test_internvl_is_read_with_and_without_the_tags_that_tokenizers_drop() -> None:
    answers = [
        "<think>There.</think><answer><ref>mug</ref><box>[100, 100, 300, 300]</box></answer>",
        "<think>There.</think><answer>mug[100, 100, 300, 300]</answer>",
        "<think>None.</think><answer><ref>mug</ref><box>[]</box></answer>",
        "<think>None.</think>mug[]",
    ]
    assert score(answers, [TRUTH, TRUTH, None, None], INTERNVL).reward.tolist() == [1.0] * 4
    assert score(answers, [None, None, TRUTH, TRUTH], INTERNVL).reward.tolist() == [0.0] * 4


@pytest.mark.parametrize("sent", ["the mug [3]", "the [red] mug", "row [1, 2, 3, 4]", 'a "]" sign', "[]"])
@pytest.mark.parametrize("speaker", [QWEN, INTERNVL], ids=lambda speaker: speaker.name)
def test_brackets_in_the_expression_cost_nothing(speaker: Any, sent: str) -> None:
    taught = speaker.target(sent, TRUTH, "I see it at [7, 7, 9, 9].", "visible")
    assert score([taught], [TRUTH], speaker).reward.tolist() == [1.0]


def test_of_several_boxes_the_last_one_counts_as_in_the_released_code() -> None:
    two = '</think>[{"bbox_2d": [1, 2, 30, 40]}, {"bbox_2d": [100, 100, 300, 300]}]'
    assert score([two], [TRUTH], QWEN).reward.tolist() == [1.0]


def test_says_what_each_answer_was() -> None:
    scores = score([ABSENT, qwen(1, 2, 30, 40), "?", None], [TRUTH] * 4, QWEN)
    assert scores.absent.tolist() == [True, False, False, False]
    assert scores.malformed.tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("answer", "truth", "reward"),
    [
        # 640 x 480: x 64..192 and y 48..144; 101 becomes 64.64, hence 65, so 127 of 128 columns are shared.
        (qwen(101, 100, 300, 300), TRUTH, 0.5 + 0.5 * 127 / 128),
        # 1000 and 1200 are both the last column, 639.
        (qwen(500, 500, 1200, 1000), (500.0, 500.0, 1000.0, 1000.0), 1.0),
        # A side that vanishes becomes one pixel: 1 column of 128.
        (qwen(100, 100, 100, 300), TRUTH, 0.5 / 128),
        (qwen(0, 0, 0, 0), (0.0, 0.0, 1.0, 1.0), 1.0),
        (ABSENT, None, 1.0),
        (qwen(0, 0, 0, 0), None, 0.0),
    ],
)
def test_pixels_are_those_of_the_released_code(answer: str, truth: Any, reward: float) -> None:
    assert score([answer], [truth], QWEN, sizes=[(640, 480)]).reward[0] == pytest.approx(reward, abs=1e-12)


def test_pixels_round_half_to_even() -> None:
    # Of 500 pixels, 101 and 103 thousandths are 50.5 and 51.5: columns 50 and 52, 2 of which truth has 1.
    scores = score(["[101, 0, 103, 1000]"], [(102.0, 0.0, 104.0, 1000.0)], QWEN, sizes=[(500, 500)])
    assert scores.iou[0] == pytest.approx(0.5)


def test_a_batch_is_what_its_answers_are_alone() -> None:
    rng = np.random.default_rng(0)
    truths = [None if i % 5 == 0 else tuple(np.sort(rng.integers(0, 1001, (2, 2)), 0).ravel()) for i in range(60)]
    answers = [ABSENT if i % 7 == 0 else qwen(*rng.integers(0, 1001, 4).tolist()) for i in range(60)]
    for sizes in (None, [(640, 480)] * 60):
        together = score(answers, truths, QWEN, sizes=sizes).reward
        alone = [
            score([a], [t], QWEN, sizes=sizes and sizes[:1]).reward[0] for a, t in zip(answers, truths, strict=True)
        ]
        assert together.tolist() == alone
        assert ((together >= 0) & (together <= 1)).all() and len(set(together)) > 10


def test_nothing_gives_nothing() -> None:
    assert score([], [], QWEN).reward.shape == (0,)


def test_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="one truth"):
        score(["a"], [], QWEN)
    with pytest.raises(ValueError, match=r"success_weight is 1\.5"):
        score(["a"], [None], QWEN, 1.5)


def test_trl_calls_it_with_columns_and_gets_metrics() -> None:
    logged: dict[str, list[float]] = {}
    columns = {
        "truth": [list(TRUTH), list(TRUTH), None],
        "task": ["visible", "amodal", "visible"],
        "log_metric": lambda name, value: logged.setdefault(name, []).append(value),
    }
    plain = [qwen(100, 100, 300, 200), "?", ABSENT]
    talk = [[{"role": "assistant", "content": text}] for text in plain]
    for completions in (plain, talk):
        logged.clear()
        rewards = trl_reward(QWEN)(["ask"] * 3, completions, [[1]] * 3, **columns)
        assert rewards == [0.75, 0.0, 1.0] and all(type(r) is float for r in rewards)
    assert logged["accuracy"] == [1, 0, 1] and logged["malformed"] == [0, 1, 0] and logged["absent"] == [0, 0, 1]
    assert logged["accuracy/visible"] == [1] and logged["accuracy/absent"] == [1] and logged["iou"] == [0.5, 0.0]
    sized = {"truth": [list(TRUTH)], "width": [640], "height": [480]}
    assert trl_reward(QWEN, pixels=True)(["ask"], [qwen(101, 100, 300, 300)], [[1]], **sized) == [0.5 + 0.5 * 127 / 128]


HIT = qwen(100, 100, 300, 200)
SHUT = HIT.partition("\n")[2]
BARE = SHUT.partition("\n\n")[2]


@pytest.mark.parametrize(
    ("answer", "direct", "count"),
    [
        (HIT, False, 3),
        (SHUT, False, 0),  # closed at once
        (BARE, True, 0),  # behind an empty thought
        ("so it goes on", False, 4),  # cut before its end
        ("so it goes on", True, 0),  # no thought, and no answer
        ("<think>so it goes", True, 4),  # thinks although it was not to
    ],
)
def test_counts_the_tokens_of_the_reasoning(answer: str, direct: bool, count: int) -> None:
    assert reasoned(QWEN, answer, _words(answer), direct) == count


def _words(text: str) -> list[str]:
    return re.findall(r"</?think>|\s*[^\s<]+|\s+|<", text)


def test_a_price_is_taken_off_for_each_token_of_reasoning() -> None:
    assert priced([0.75, 0.0, 1.0], [10, 10, 0], 0.01) == pytest.approx([0.65, -0.1, 1.0])
    logged: dict[str, list[float]] = {}
    kept: dict[str, list[Any]] = {}
    texts = [HIT, SHUT, BARE, "so it goes on"]
    spelling = dict(enumerate(word for text in texts for word in _words(text)))
    ids, start = [], 0
    for text in texts:
        ids.append(list(range(start, start + len(_words(text)))))
        start += len(_words(text))
    columns = {
        "truth": [list(TRUTH)] * 4,
        "direct": [False, False, True, False],
        "log_metric": lambda name, value: logged.setdefault(name, []).append(value),
        "log_extra": lambda name, values: kept.setdefault(name, values),
    }
    reward = trl_reward(QWEN, token_price=0.1, spell=spelling.__getitem__)
    assert reward(["ask"] * 4, texts, ids, **columns) == pytest.approx([0.45, 0.75, 0.75, -0.4])
    assert logged["reasoning_tokens"] == [3, 0, 0, 4] and logged["thought"] == [1, 0, 0, 1]
    assert logged["reasoning_tokens/thinking"] == [3, 0, 4] and logged["reasoning_tokens/direct"] == [0]
    assert logged["accuracy/thinking"] == [1, 1, 0] and logged["accuracy/direct"] == [1]
    assert logged["thought/thinking"] == [1, 0, 1] and kept["direct"] == columns["direct"]
    logged.clear()
    alone = {name: value for name, value in columns.items() if name != "direct"}
    free = trl_reward(QWEN, spell=spelling.__getitem__)
    assert free(["ask"] * 4, texts, ids, **alone) == [0.75, 0.75, 0.75, 0.0]
    assert logged["reasoning_tokens"] == [3, 0, 0, 4] and not any("/thinking" in name for name in logged)


@pytest.mark.parametrize("price", [-0.001, float("nan"), float("inf")])
def test_refuses_prices_that_are_none(price: float) -> None:
    with pytest.raises(ValueError, match="token_price is"):
        trl_reward(QWEN, token_price=price, spell=str)
    with pytest.raises(ValueError, match="token_price is"):
        compute_score("grounding", BARE, list(TRUTH), {"token_price": price, "tokenizer": str(EMBEDDED)})


def test_refuses_a_price_where_tokens_cannot_be_told() -> None:
    with pytest.raises(ValueError, match="needs spell"):
        trl_reward(QWEN, token_price=0.001)
    with pytest.raises(ValueError, match="no tokenizer"):
        compute_score("grounding", HIT, list(TRUTH), {"token_price": 0.001})


def test_verl_takes_the_price_off_by_the_models_own_tokens() -> None:
    known = {"token_price": 0.01, "tokenizer": str(EMBEDDED)}
    thought = Tokenizer.from_file(str(EMBEDDED / "tokenizer.json")).encode(HIT.partition("</think>")[0])
    assert len(thought.ids) > 5
    assert compute_score("grounding", HIT, list(TRUTH), known) == pytest.approx(0.75 - 0.01 * len(thought.ids))
    assert compute_score("grounding", SHUT, list(TRUTH), known) == 0.75
    assert compute_score("grounding", HIT, list(TRUTH), {**known, "split": "test"}) == 1.0


@pytest.mark.parametrize("truth", ["[100, 100, 300, 300]", [100, 100, 300, 300], np.array([100, 100, 300, 300])])
def test_verl_calls_it_with_one_answer(truth: Any) -> None:
    assert compute_score("grounding", qwen(100, 100, 300, 200), truth) == 0.75
    sized = {"width": 640, "height": 480}
    assert compute_score("grounding", qwen(101, 100, 300, 300), truth, sized) == 0.5 + 0.5 * 127 / 128
    assert compute_score("grounding", qwen(101, 100, 300, 300), truth, {**sized, "official_pixels": False}) == 0.9975
    assert compute_score("grounding", qwen(100, 100, 300, 200), truth, {"success_weight": 0.0}) == 0.5
    assert compute_score("grounding", qwen(100, 100, 300, 200), truth, {"split": "test"}) == 1.0
    assert compute_score("grounding", qwen(100, 100, 200, 200), truth, {"split": "test"}) == 0.0


@pytest.mark.parametrize("truth", ["null", "absent", "[]", "", None, [], np.array([])])
def test_verl_knows_absent_objects(truth: Any) -> None:
    assert compute_score("grounding", ABSENT, truth) == 1.0
    assert compute_score("grounding", qwen(1, 2, 30, 40), truth) == 0.0
    said = "<think>None.</think><answer><ref>mug</ref><box>[]</box></answer>"
    assert compute_score("grounding", said, truth, {"family": "internvl3"}) == 1.0


@pytest.mark.parametrize("truth", ["somewhere", "[1, 2, 3]", [1, 2]])
def test_verl_is_told_of_a_truth_that_is_none(truth: Any) -> None:
    with pytest.raises(ValueError, match="ground truth"):
        compute_score("grounding", ABSENT, truth)


PIECES = ["[", "]", "[]", "[ \n]", "{", "}", '"bbox_2d": ', "```json\n", "```", "</think>", "<think>", "<answer>",
          "</answer>", "<ref>", "<box>", "</box>", "-1", "5e999", "1e400", "NaN", "0", "1000", "٣", "²", ", ", "\ud800",
          "\0", "9" * 400, "[[[[", "none"]  # fmt: skip
TEXT = st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
ANSWER = st.recursive(
    TEXT | st.none() | st.integers() | st.floats() | st.binary(max_size=5) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["content", "text", "type", "role"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ANSWER, min_size=1, max_size=4), st.sampled_from(sorted(FAMILIES)), st.booleans(), st.booleans())
def test_no_answer_is_too_strange(answers: list[Any], name: str, present: bool, pixels: bool) -> None:
    speaker = family(name)
    sizes = [(640, 480)] * len(answers) if pixels else None
    scores = score(answers, [TRUTH if present else None] * len(answers), speaker, sizes=sizes)
    assert np.isfinite(scores.reward).all() and ((scores.reward >= 0) & (scores.reward <= 1)).all()
    assert not (scores.absent & scores.malformed).any()
    says = [speaker.parse(answer_text(answer)).kind == "absent" for answer in answers]
    assert scores.absent.tolist() == says
    assert compute_score("grounding", answers[0], json.dumps(TRUTH), {"family": name}) >= 0
