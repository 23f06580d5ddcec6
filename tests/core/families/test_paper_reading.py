"""How the paper's reward and its evaluation read answers, by literal expectations."""

import pytest
from written import BOX, INTERN_AMODAL, INTERN_BOX, QWEN, QWEN_BOX, reason

from egm_core.families import FAMILIES, family, official_pixels


class TestPaper:
    """The released code's rules; every expected value was worked out by hand from them."""

    @pytest.mark.parametrize(
        ("text", "reward", "evaluation"),
        [
            # The format itself.
            (QWEN_BOX, BOX, BOX),
            (INTERN_BOX, BOX, BOX),
            (INTERN_AMODAL, BOX, BOX),
            ("<ref>mug</ref><box>[[401, 210, 460, 290]]</box>", BOX, BOX),
            # Corners: the reward sorts them, the evaluation doesn't.
            ("[460, 290, 401, 210]", BOX, (460, 290, 401, 210)),
            # Several lists: the last one for the reward, the first one for the evaluation.
            ("[1, 2, 3, 4] or [5, 6, 7, 8]", (5, 6, 7, 8), (1, 2, 3, 4)),
            # ... but a keyed one before any other for the evaluation.
            ('[1, 2, 3, 4] "bbox_2d": [5, 6, 7, 8] [9, 9, 10, 10]', (9, 9, 10, 10), (5, 6, 7, 8)),
            # <answer> is preferred by the reward; without a box in it, the whole text counts.
            ("<answer>[1, 2, 3, 4]</answer> [5, 6, 7, 8]", (1, 2, 3, 4), (1, 2, 3, 4)),
            ("[5, 6, 7, 8] <ANSWER>1 2 3 4</Answer>", (1, 2, 3, 4), (5, 6, 7, 8)),
            ("<answer>none</answer> [5, 6, 7, 8]", (5, 6, 7, 8), (5, 6, 7, 8)),
            # A last list that is too short ends it for the reward, however many numbers there are.
            ("[1, 2, 3, 4] [5]", None, (1, 2, 3, 4)),
            # Of a longer list the reward takes the first four; the evaluation finds no list of four.
            ("[1, 2, 3, 4, 5]", (1, 2, 3, 4), (2, 3, 4, 5)),
            # No list: the last four numbers of the text.
            ("from 7 on: 1, 2 to 3, 4", (1, 2, 3, 4), (1, 2, 3, 4)),
            ("(1,2) and (3,4) ```json\n[]\n```", (1, 2, 3, 4), (1, 2, 3, 4)),
            # Signs, decimals and exponents; the evaluation cuts to 0..1000, the reward doesn't.
            ("[-5, 2.5, .5, 1200]", (-5, 2.5, 0.5, 1200), (0, 2.5, 0.5, 1000)),
            ("[1e2, 2, 3, 4]", (1, 2, 2, 3), (100, 2, 3, 4)),
            # Words inside the brackets don't disturb the reward; the evaluation takes the last four numbers.
            ("[x=1, y=2, 3 to 4]", (1, 2, 3, 4), (1, 2, 3, 4)),
            # Overflow: refused by the reward, 0 for the evaluation.
            (f"[1, 2, 3, {'9' * 400}]", None, (1, 2, 3, 0)),
            # A Unicode digit is a digit for both.
            ("[١, 2, 3, 4]", (1, 2, 3, 4), (1, 2, 3, 4)),
            ("three numbers 1 2 3", None, None),
            ("", None, None),
        ],
    )
    @pytest.mark.parametrize("name", FAMILIES)
    def test_literal_expectations(self, name, text, reward, evaluation):
        for mode, expected in (("paper", reward), ("paper_eval", evaluation)):
            answer = family(name).parse(text, mode)
            wanted = None if expected is None else sorted_as(mode, tuple(map(float, expected)))
            assert (answer.kind, answer.box) == ("invalid" if expected is None else "box", wanted), mode

    def test_reasons_and_counts(self):
        assert reason("", mode="paper") == "no_answer"
        assert reason("[1, 2]", mode="paper") == "no_box"
        assert reason(f"[1, 2, 3, {'9' * 400}]", mode="paper") == "not_finite"
        assert QWEN.parse("[1, 2, 3, 4] [5, 6, 7, 8]", "paper").boxes_seen == 2
        text = "[1, 2, 3, 4] [5, 6, 7, 8]"
        assert [text[slice(*QWEN.parse(text, mode).span)] for mode in ("paper", "paper_eval")] == [
            "5, 6, 7, 8",
            "1, 2, 3, 4",
        ]

    @pytest.mark.parametrize(
        ("given_box", "size", "pixels"),
        [
            ((0, 0, 1000, 1000), (640, 480), (0, 0, 639, 479)),
            ((100, 100, 200, 200), (640, 480), (64, 48, 128, 96)),
            ((250, 250, 750, 750), (10, 10), (2, 2, 8, 8)),  # 2.5 and 7.5 round to even
            ((500, 500, 501, 501), (100, 100), (50, 50, 51, 51)),
            ((999, 999, 1000, 1000), (100, 100), (99, 99, 99, 99)),  # no room to widen
            ((-5, 2000, 5, 3000), (100, 100), (0, 99, 1, 99)),
            ((10, 20, 30, 40), (1, 1), (0, 0, 0, 0)),
            ((900, 900, 100, 100), (100, 100), (90, 90, 10, 10)),
            ((1e308, -1e308, 1e308, 0), (4000, 4000), (3999, 0, 3999, 1)),
        ],
    )
    def test_official_pixels(self, given_box, size, pixels):
        assert official_pixels(tuple(map(float, given_box)), *size) == pixels


def sorted_as(mode, values):
    """Sort the corners of a literal expectation where the mode does."""
    x0, y0, x1, y1 = values
    return (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)) if mode == "paper" else values
