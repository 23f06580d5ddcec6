"""What the families ask, teach, allow and understand, against literal texts."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egm_core.families import FAMILIES, TASKS, Answer, family, official_pixels
from egm_core.families.grammar import text_without

QWEN, INTERN = family("qwen3_vl"), family("internvl3")
REASONING = "There are 2 mugs, at (120,500) and (430,250). Behind the box is the one at (430,250)."

QWEN_BOX = (
    f"{REASONING}\n</think>\n\n"
    '```json\n[\n\t{"bbox_2d": [401, 210, 460, 290], "label": "the mug behind the blue box"}\n]\n```'
)
INTERN_BOX = (
    f"<think>{REASONING}</think><answer><ref>the mug behind the blue box</ref><box>[401, 210, 460, 290]</box></answer>"
)
INTERN_AMODAL = f"<think>{REASONING}</think><ref>the mug behind the blue box</ref><box>[401, 210, 460, 290]</box>"
SENT, BOX = "the mug behind the blue box", (401.0, 210.0, 460.0, 290.0)


def box(text: str, name: str = "qwen3_vl", mode: str = "strict"):
    """Parse a text that must hold a box."""
    answer = family(name).parse(text, mode)
    assert answer.kind == "box", answer
    return answer.box


def reason(text: str, name: str = "qwen3_vl", mode: str = "strict") -> str:
    """Parse a text that must be refused, and give the reason."""
    answer = family(name).parse(text, mode)
    assert (answer.kind, answer.box, answer.span) == ("invalid", None, None), answer
    return answer.reason


def fenced(content: str) -> str:
    return f"so it is that one\n</think>\n\n```json\n{content}\n```"


def boxed(content: str) -> str:
    return f"<think>so it is that one</think><answer><ref>mug</ref><box>{content}</box></answer>"


class TestPromptsAndTargets:
    @pytest.mark.parametrize(
        ("name", "task", "prompt"),
        [
            ("qwen3_vl", "visible", "Locate the mug, output its bbox coordinates using JSON format"),
            ("qwen3_vl", "amodal", "Locate the mug amodally, output its bbox coordinates using JSON format"),
            (
                "internvl3",
                "visible",
                "Please provide the bounding box coordinate of the region this sentence describes: <ref>the mug</ref>",
            ),
            (
                "internvl3",
                "amodal",
                "Please provide the amodal bounding box coordinate of the region this sentence describes: "
                "<ref>the mug</ref>",
            ),
        ],
    )
    def test_prompts_are_those_of_the_paper(self, name, task, prompt):
        assert family(name).prompt("the mug", task) == prompt

    def test_braces_in_an_expression_are_kept(self):
        assert QWEN.prompt("the {sent} {0} sign", "visible").startswith("Locate the {sent} {0} sign,")

    def test_targets(self):
        assert QWEN.target(SENT, BOX, REASONING, "visible") == QWEN_BOX
        assert QWEN.target(SENT, BOX, REASONING, "amodal") == QWEN_BOX
        assert QWEN.target(SENT, None, "None is green.", "visible") == "None is green.\n</think>\n\n```json\n[]\n```"
        assert QWEN.target("the mug", (0, 0, 1000, 1000), "", "visible") == (
            '</think>\n\n```json\n[\n\t{"bbox_2d": [0, 0, 1000, 1000], "label": "the mug"}\n]\n```'
        )
        assert INTERN.target(SENT, BOX, REASONING, "visible") == INTERN_BOX
        assert INTERN.target(SENT, BOX, REASONING, "amodal") == INTERN_AMODAL
        assert INTERN.target("mug", None, "", "amodal") == "<ref>mug</ref><box>[]</box>"

    def test_thin_boxes_stay_boxes(self):
        assert box(QWEN.target("pen", (10.2, 999.9, 10.4, 1000.0), "", "visible")) == (10, 999, 11, 1000)

    @pytest.mark.parametrize("name", FAMILIES)
    @pytest.mark.parametrize("wrong", [(0, 0, 1001, 5), (5, 0, 1, 5), (0, 0, float("nan"), 5), (-1, 0, 1, 5)])
    def test_boxes_outside_the_frame_are_not_taught(self, name, wrong):
        with pytest.raises(ValueError, match="to_relative"):
            family(name).target("mug", wrong, "", "visible")

    def test_texts_that_would_break_the_format_are_not_taught(self):
        with pytest.raises(ValueError, match="</think>"):
            QWEN.target("mug", BOX, "so </think> it is", "visible")
        with pytest.raises(ValueError, match="</ref>"):
            INTERN.target("mug</ref>", BOX, "", "visible")


class TestStrict:
    @pytest.mark.parametrize(("name", "text"), [("qwen3_vl", QWEN_BOX), ("internvl3", INTERN_BOX)])
    def test_the_format(self, name, text):
        start = text.index("401")
        assert family(name).parse(text) == Answer(
            "box", BOX, REASONING, "", 1, (start, start + len("401, 210, 460, 290")), SENT
        )

    @pytest.mark.parametrize(
        "text",
        [
            "<think>\n" + QWEN_BOX,
            QWEN_BOX + "<|im_end|>\n",
            QWEN_BOX.replace("```json", "```"),
            '</think>[{"bbox_2d": [401, 210, 460, 290], "label": "mug"}]',
            "</think>[[401, 210, 460, 290]]",
            '[{"label": "mug", "bbox": [460, 290.0, 401, 2.1e2]}]',
            "[401, 210, 460, 290]",
            QWEN_BOX.replace("</think>", ""),
            fenced('[{"bbox_2d": [401, 210, 460, 290], "label": "```"}]'),
        ],
    )
    def test_qwen_variants(self, text):
        assert box(text) == BOX

    @pytest.mark.parametrize(
        "text",
        [
            INTERN_AMODAL,
            boxed("[[401, 210, 460, 290]]"),
            INTERN_BOX.replace("</think>", "</think>\n"),
            "<ref>mug</ref><box>[401,210,460,290]</box></s>",
            "<box>[401, 210, 460, 290]</box>",
            f"<think>{REASONING}</think><answer>{SENT}[401, 210, 460, 290]</answer>",
            f"<think>see [1, 2, 3, 4]</think>{SENT}[[401, 210, 460, 290]]",
            f"the sign saying [EXIT, now]{SENT}[401, 210, 460, 290]",
            "[401, 210, 460, 290]",
            "<answer>[460, 290, 401, 210]</answer>",
        ],
    )
    def test_internvl_variants_and_stripped_tags(self, text):
        assert box(text, "internvl3") == BOX

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("qwen3_vl", fenced("[]")),
            ("qwen3_vl", "[]"),
            ("qwen3_vl", "</think>[ ]"),
            ("internvl3", boxed("[]")),
            ("internvl3", "<think>None is green.</think><ref>mug</ref><box>[]</box>"),
            ("internvl3", "<think>None at [1, 2, 3, 4].</think>mug[]"),
            ("internvl3", "[]"),
        ],
    )
    def test_absent(self, name, text):
        answer = family(name).parse(text)
        assert (answer.kind, answer.box, answer.reason, answer.boxes_seen) == ("absent", None, "", 0)

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            ("[1, 2, 3]", "not_four_numbers"),
            ("[1, 2, 3, 4, 5]", "not_four_numbers"),
            ("[1, 2, 3, NaN]", "not_finite"),
            ("[1, 2, 3, -Infinity]", "not_finite"),
            ("[1, 2, 3, 1e999]", "not_finite"),
            (f"[1, 2, 3, {'9' * 5000}]", "not_finite"),
            ("[1, 2, 3, 1001]", "out_of_range"),
            ("[-1, 2, 3, 4]", "out_of_range"),
            ("[0.1, 0.2, 0.3, 0.4]", "fractions"),
            ("[0, 0.2, 1, 1.0]", "fractions"),
            ("[5, 2, 5, 4]", "degenerate"),
            ("[1, 4, 5, 4]", "degenerate"),
            ("[1, 2, 3, 4,]", "malformed"),
            ("[1, 2, 3 4]", "malformed"),
            ("[01, 2, 3, 4]", "malformed"),
            ("[+1, 2, 3, 4]", "malformed"),
            ("[1, 2, 3, true]", "malformed"),
            ('[1, 2, 3, "4"]', "malformed"),
            ("[1, 2, 3, [4]]", "malformed"),
            ("[1, 2, 3, null]", "malformed"),
            ("[١, ٢, ٣, ٤]", "malformed"),
            ("[1, 2, 3, ４]", "malformed"),  # a fullwidth digit
            ("[1, 2, 3, x]", "malformed"),
        ],
    )
    def test_bad_boxes_have_a_named_reason(self, content, why):
        assert reason(fenced(f'[{{"bbox_2d": {content}, "label": "mug"}}]')) == why
        assert reason(boxed(content), "internvl3") == why

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "no_answer"),
            (" \n\t", "no_answer"),
            ("reasoning\n</think>\n\n", "no_answer"),
            ("<think>The mug is at [1, 2, 3, 4]. Then", "truncated"),
            ("The mug is at [1, 2, 3, 4]", "malformed"),
            ("The mug is at [1, 2, 3, 4]. Then", "malformed"),
            ("I see the mug. Then", "no_box"),
            ('{"bbox_2d": [1, 2, 3, 4]}', "malformed"),
            ("```json\n[1, 2, 3, 4]\n``` as you see", "malformed"),
            ("a draft: ```json\n[1, 2, 3, 4]\n```", "malformed"),
            ('[{"bbox_2d": [1, 2, 3, 4], "bbox_2d": [5, 6, 7, 8]}]', "ambiguous"),
            ('[{"bbox_2d": [1, 2, 3, 4], "bbox": [5, 6, 7, 8]}]', "ambiguous"),
            ("reasoning\n</think>\n\n```json\n[{", "truncated"),
            ("</think>[1, 2, 3", "truncated"),
            ('</think>[{"bbox_2d": [1, 2, 3, 4], "label": "mu', "truncated"),
            ("</think>I can't see it.", "no_box"),
            ("</think>The box is [1, 2, 3, 4].", "malformed"),
            ("</think>Here:\n```json\n[1, 2, 3, 4]\n```", "malformed"),
            ("</think>```json\n[1, 2, 3, 4]\n``` as you see", "malformed"),
            ('</think>{"bbox_2d": [1, 2, 3, 4]}', "malformed"),
            ("</think>[{'bbox_2d': [1, 2, 3, 4]}]", "malformed"),
            ('</think>[{"box": [1, 2, 3, 4]}]', "malformed"),
            ('</think>[{"bbox_2d": {"x": 1}}]', "malformed"),
            ("</think>[{}]", "malformed"),
            ("</think>" + "[" * 100_000, "malformed"),
            ("a ```json\n[1, 2, 3, 4]\n``` b ```json\n[5, 6, 7, 8]\n```", "malformed"),
        ],
    )
    def test_what_qwen_says_otherwise(self, text, why):
        assert reason(text) == why

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "no_answer"),
            ("<think>so</think>", "no_answer"),
            ("<think>so</think><answer></answer>", "no_box"),
            ("<think>The mug is at [1, 2, 3, 4].", "truncated"),
            ("<think>so</think><answer><ref>mug</ref><box>[1, 2, 3, 4]</box>", "truncated"),
            ("<think>so</think><ref>mug</ref><box>[1, 2, 3", "truncated"),
            (boxed("[1, 2, 3, 4"), "truncated"),
            ("<think>so</think>mug[1, 2, 3", "truncated"),
            ("<think>so</think>I can't see it.", "no_box"),
            ("<think>so</think>It is <box>[1, 2, 3, 4]</box>", "malformed"),
            ("<think>so</think><box>[1, 2, 3, 4]</box> as you see", "malformed"),
            ("<think>so</think>mug[1, 2, 3, 4] as you see", "malformed"),
            ("<think>so</think>mug[1, 2, x, 4] cup[5, 6, 7, 8]", "malformed"),
            ("<think>so</think><box>[]</box><box>[1, 2, 3, 4]</box>", "ambiguous"),
            ("A cup at [1, 2, 3, 4], the mug[5, 6, 7, 8]", "ambiguous"),
            ("<think>so</think>row [1, 2, 3, 4][[5, 6, 7, 8]]", "ambiguous"),
        ],
    )
    def test_what_internvl_says_otherwise(self, text, why):
        assert reason(text, "internvl3") == why

    def test_of_several_boxes_the_first_counts(self):
        two = '[{"bbox_2d": [1, 2, 3, 4], "label": "a"}, {"bbox_2d": [5, 6, 7, 8], "label": "b"}]'
        assert (box(fenced(two)), QWEN.parse(fenced(two)).boxes_seen) == ((1, 2, 3, 4), 2)
        for text in (
            boxed("[[1, 2, 3, 4], [5, 6, 7, 8]]"),
            boxed("[1, 2, 3, 4]</box>, <ref>b</ref><box>[5, 6, 7, 8]"),
            "<think>so</think>a[1, 2, 3, 4] b[5, 6, 7, 8]",
        ):
            assert (box(text, "internvl3"), INTERN.parse(text).boxes_seen) == ((1, 2, 3, 4), 2)
        bad_first = QWEN.parse(fenced(two.replace("[1, 2, 3, 4]", "[1, 2, 3, 4000]")))
        assert (bad_first.reason, bad_first.boxes_seen) == ("out_of_range", 2)

    def test_the_span_passes_by_numbers_elsewhere(self):
        text = fenced('[{"label": "mug 7 \\" [9, 9, 9, 9]", "bbox_2d": [10, 20, 30, 40]}]')
        answer = QWEN.parse(text)
        assert answer.span is not None
        assert text[slice(*answer.span)] == "10, 20, 30, 40"

    def test_the_reasoning_is_kept_for_refused_answers(self):
        assert QWEN.parse(fenced("[1]")).reasoning == "so it is that one"
        assert QWEN.parse("<think>so it goes").reasoning == "so it goes"


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


class TestGrammar:
    SENTS = ("the mug", 'the "red" mug \\ {x}', "die größte Tasse 🫖", "a [b] <c> 'd'")
    TRACES = ("", REASONING, "x < 5, </thin, <</th <think> x\nnew line", "ends with <")

    @pytest.mark.parametrize("name", FAMILIES)
    def test_every_target_is_accepted_and_read_back(self, name):
        for sent, trace, truth, task in (
            (s, t, b, k) for s in self.SENTS for t in self.TRACES for b in (BOX, None) for k in TASKS
        ):
            text = family(name).target(sent, truth, trace, task)
            assert re.fullmatch(family(name).regex(True), text), text
            assert bool(re.fullmatch(family(name).regex(False), text)) == (not trace), text
            answer = family(name).parse(text)
            assert (answer.box, answer.reasoning) == (truth, trace.strip().removeprefix("<think>")), text

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("qwen3_vl", fenced('[\n\t{"bbox_2d": [1, 2, 3, 1001], "label": "mug"}\n]')),
            ("qwen3_vl", fenced('[\n\t{"bbox_2d": [1, 2, 3, 04], "label": "mug"}\n]')),
            ("qwen3_vl", fenced('[\n\t{"bbox_2d": [1, 2, 3, ٤], "label": "mug"}\n]')),
            ("qwen3_vl", fenced('[\n\t{"bbox_2d": [1, 2, 3, 4], "label": "a\nb"}\n]')),
            ("qwen3_vl", QWEN_BOX + "\n"),
            ("qwen3_vl", "one </think> two\n" + fenced("[]")),
            ("internvl3", boxed("[1, 2, 3, 1001]")),
            ("internvl3", boxed("[1, 2, 3, ٤]")),
            ("internvl3", boxed("[[[1, 2, 3, 4]]]")),
            ("internvl3", boxed("[[1, 2, 3, 4], []]")),
            ("internvl3", INTERN_BOX.removesuffix("</answer>")),
            ("internvl3", INTERN_BOX.removeprefix("<think>")),
        ],
    )
    def test_nothing_else_is_accepted(self, name, text):
        assert not re.fullmatch(family(name).regex(True), text)

    @given(st.text("</think>ab\n", max_size=40))
    def test_text_without_a_tag_is_exactly_that(self, text):
        assert bool(re.fullmatch(text_without("</think>"), text)) == ("</think>" not in text)

    def test_tags_without_a_simple_complement_are_refused(self):
        with pytest.raises(ValueError, match="simple complement"):
            text_without("<a<b>")

    @pytest.mark.parametrize("name", FAMILIES)
    def test_llguidance_takes_the_grammar(self, name):
        guidance = pytest.importorskip("llguidance")
        tokenizer = guidance.LLTokenizer("byte")
        for reasoning in (True, False):
            grammar = guidance.LLMatcher.grammar_from_regex(family(name).regex(reasoning))
            assert guidance.LLMatcher.validate_grammar(grammar, tokenizer) == ""
            for sent, trace, truth in ((self.SENTS[1], self.TRACES[2], BOX), (self.SENTS[2], "", None)):
                matcher = guidance.LLMatcher(tokenizer, grammar)
                ids = tokenizer.tokenize_str(family(name).target(sent, truth, trace, "visible"))
                accepted = matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()
                assert accepted == (reasoning or not trace)
            matcher = guidance.LLMatcher(tokenizer, grammar)
            ids = tokenizer.tokenize_str(family(name).target("mug", BOX, "", "visible").replace("401", "４01"))
            assert matcher.try_consume_tokens(ids) < len(ids)

    @pytest.mark.parametrize("name", FAMILIES)
    def test_json_schema_is_accepted_and_reads_as_an_answer(self, name):
        guidance = pytest.importorskip("llguidance")
        tokenizer = guidance.LLTokenizer("byte")
        schema = json.dumps(family(name).json_schema())
        grammar = guidance.LLMatcher.grammar_from_json_schema(schema, defaults={"whitespace_flexible": True})
        entry = [{"bbox_2d": [1, 2, 3, 4], "label": "mug"}] if name == "qwen3_vl" else [1, 2, 3, 4]
        for value, fits, kind in ((entry, True, "box"), ([], True, "absent"), ([1, 2, 3], False, "invalid")):
            text = json.dumps(value)
            matcher = guidance.LLMatcher(tokenizer, grammar)
            ids = tokenizer.tokenize_str(text)
            assert (matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()) == fits
            assert family(name).parse(text).kind == kind


@pytest.mark.parametrize(
    ("name", "hint"), [("qwen3-vl", "'qwen3_vl'"), ("InternVL", "'internvl3'"), ("x", "choose one of")]
)
def test_unknown_families_name_the_nearest(name, hint):
    with pytest.raises(ValueError, match=hint):
        family(name)
