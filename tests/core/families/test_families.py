"""What the families ask, teach, allow and understand, against literal texts."""

import pytest
from written import BOX, INTERN, INTERN_AMODAL, INTERN_BOX, QWEN, QWEN_BOX, REASONING, SENT, box, boxed, fenced, reason

from egm_core.families import FAMILIES, Answer, family
from egm_core.families.parts import Listed


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
        span = (start, start + len("401, 210, 460, 290"))
        assert family(name).parse(text) == Answer(
            "box", BOX, REASONING, "", 1, span, SENT, listed=(Listed(BOX, span, SENT),)
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


@pytest.mark.parametrize(
    ("name", "hint"), [("qwen3-vl", "'qwen3_vl'"), ("InternVL", "'internvl3'"), ("x", "choose one of")]
)
def test_unknown_families_name_the_nearest(name, hint):
    with pytest.raises(ValueError, match=hint):
        family(name)
