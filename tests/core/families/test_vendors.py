"""The families of other vendors: each reads its own frame, and nothing else into it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egm_core.families.vendors import GROUPS, SPEAKERS, VENDORS, names, speaker
from egm_core.families.vendors.frame import Frame

SENT = "the red mug"
WIDE, HIGH = 640, 480
# The same box, a quarter of the picture from (160, 48) to (480, 288), as each vendor writes it.
BOX = (250.0, 100.0, 750.0, 600.0)
ANSWERS = {
    "gemini": '```json\n[\n  {"box_2d": [100, 250, 600, 750], "label": "red mug"}\n]\n```',
    "claude": '```json\n[{"bbox": [160, 48, 480, 288], "label": "red mug"}]\n```',
    "claude_high": '[{"bbox": [160, 48, 480, 288], "label": "red mug"}]',
    "gpt_4": '[{"box_2d": [160, 48, 480, 288], "label": "red mug"}]',
    "gpt_5": '{"detections": [{"x_min": 0.25, "y_min": 0.1, "x_max": 0.75, "y_max": 0.6, "class_name": "red mug"}]}',
    "gpt_5_2": '{"detections": [{"label": "red mug", "box_2d": [160, 48, 480, 288]}]}',
    "grok": '[{"box_2d": [25.0, 10.0, 75.0, 60.0], "label": "red mug"}]',
    "glm": '<|begin_of_box|>[{"bbox_2d": [250, 100, 750, 600], "label": "red mug"}]<|end_of_box|>',
    "qwen2_5_vl": '```json\n[{"bbox_2d": [160, 48, 480, 288], "label": "red mug"}]\n```',
    "qwen3_vl_official": '```json\n[\n\t{"bbox_2d": [250, 100, 750, 600], "label": "red mug"}\n]\n```',
    "internvl3_5": "<ref>the red mug</ref><box>[[250, 100, 750, 600]]</box>",
    "qwen3_5": '```json\n[\n\t{"bbox_2d": [250, 100, 750, 600], "label": "red mug"}\n]\n```',
}


def read(name: str, text: str):
    return speaker(name).seeing(WIDE, HIGH).parse(text, "salvage", sent=SENT)


@pytest.mark.parametrize("name", ANSWERS)
def test_every_vendor_is_read_in_its_own_frame(name):
    answer = read(name, ANSWERS[name])
    assert (answer.kind, answer.box) == ("box", pytest.approx(BOX))
    start, end = answer.span
    numbers = re.findall(r"[0-9.]+", ANSWERS[name][start:end])
    assert len([n for n in numbers if n != "2"]) >= 4


def test_every_family_has_its_golden_answer():
    assert set(ANSWERS) | {"qwen3_vl", "internvl3"} == set(SPEAKERS)


@pytest.mark.parametrize("name", VENDORS)
class TestWhatIsNoBox:
    def test_absence_is_told_from_what_cannot_be_read(self, name):
        assert read(name, "[]").kind == "absent"
        assert read(name, "There is no red mug in the image.").kind == "absent"
        assert read(name, "I am sorry, I cannot help with that.").kind == "invalid"
        assert read(name, "").reason == "no_answer"
        end = ANSWERS[name].rindex(",")
        assert read(name, ANSWERS[name][: end + 1]).reason in ("truncated", "malformed")

    def test_two_answers_are_none(self, name):
        one = ANSWERS[name].removeprefix("```json\n").removesuffix("\n```").replace("<|begin_of_box|>", "")
        one = one.replace("<|end_of_box|>", "")
        other = re.sub(r"(?<![_0-9.])(100|48|10\.0|0\.1)\b", "0", one)
        assert other != one
        assert read(name, f"{one}\n\nOr rather:\n\n{other}").reason == "ambiguous"

    def test_numbers_of_another_frame_are_never_fitted(self, name):
        frame = VENDORS[name].written
        beyond = {"thousandths": "1200", "pixels": "700", "percent": "250", "fractions": "1.5"}[frame.unit]
        text = re.sub(r"(?<![_0-9.])(750|480|75\.0|0\.75)\b", beyond, ANSWERS[name])
        assert text != ANSWERS[name]
        assert read(name, text).reason == "out_of_range"
        if frame.unit != "fractions":
            text = re.sub(r"(?<![_0-9.])[0-9.]+(?=[,\]}])", "0.5", ANSWERS[name])
            assert read(name, text).reason in ("fractions", "degenerate")

    def test_the_papers_rules_are_refused_by_name(self, name):
        with pytest.raises(ValueError, match=name):
            VENDORS[name].parse("[1, 2, 3, 4]", "paper")


@given(st.sampled_from(sorted(VENDORS)), st.text(alphabet='[]{}",:.0123456789abxy_mindet-<|>/ \n', max_size=80))
def test_no_text_breaks_a_reader(name, text):
    answer = read(name, text)
    assert (answer.box is not None) == (answer.kind == "box")
    if answer.box:
        assert all(0 <= v <= 1000 for v in answer.box)
        assert answer.box[0] < answer.box[2] and answer.box[1] < answer.box[3]


class TestGeminiWritesYFirst:
    def test_a_bare_list_keeps_the_order_that_was_asked_for(self):
        assert read("gemini", "[100, 250, 600, 750]").box == BOX

    def test_sides_with_names_need_no_order(self):
        assert read("gemini", '{"ymin": 100, "xmin": 250, "ymax": 600, "xmax": 750}').box == BOX

    @pytest.mark.parametrize(
        "text",
        [
            '{"bbox": [100, 250, 600, 750]}',
            '{"bbox_2d": [100, 250, 600, 750]}',
            "Its bounding box: (100, 250) to (600, 750).",
        ],
    )
    def test_another_key_or_points_may_hold_either_order(self, text):
        assert read("gemini", text).reason == "ambiguous"


class TestPictures:
    @pytest.mark.parametrize(("name", "size", "sent"), [
        ("claude", (640, 480), (640, 480)),
        ("claude", (1920, 1080), (1456, 819)),
        ("claude", (100, 4000), (39, 1568)),
        ("claude_high", (1920, 1080), (1920, 1080)),
        ("qwen2_5_vl", (640, 480), (644, 476)),
        ("qwen2_5_vl", (20, 20), (56, 56)),
        ("gemini", (1920, 1080), (1920, 1080)),
    ])  # fmt: skip
    def test_they_are_sent_as_the_vendor_sees_them(self, name, size, sent):
        assert speaker(name).size(*size) == sent

    @pytest.mark.parametrize("size", [(1569, 1569), (3000, 500), (700, 2999), (1568, 1568)])
    def test_what_is_sent_to_claude_is_resized_no_more(self, size):
        wide, high = speaker("claude").size(*size)
        assert max(wide, high) <= 1568
        assert -(-wide // 28) * -(-high // 28) <= 1568
        assert speaker("claude").size(wide, high) == (wide, high)

    def test_what_is_sent_to_qwen_is_resized_no_more(self):
        for size in ((640, 480), (9000, 9000), (20, 20), (333, 777)):
            sent = speaker("qwen2_5_vl").size(*size)
            assert speaker("qwen2_5_vl").size(*sent) == sent

    def test_pixels_need_the_pictures_size(self):
        with pytest.raises(ValueError, match="seeing"):
            speaker("claude").prompt(SENT, "visible")
        with pytest.raises(ValueError, match="seeing"):
            speaker("claude").parse(ANSWERS["claude"])

    def test_the_size_is_stated_and_an_expression_is_no_template(self):
        prompt = speaker("claude").seeing(640, 480).prompt("the {width} sign", "visible")
        assert "640" in prompt and "480" in prompt and "the {width} sign" in prompt
        assert "640x480" in speaker("gpt_5_2").seeing(640, 480).prompt(SENT, "amodal")


class TestNames:
    @pytest.mark.parametrize(("model", "name"), [
        ("gpt-4o-2024-08-06", "gpt_4"), ("gpt-4.1-mini", "gpt_4"), ("gpt-5.4-nano", "gpt_4"), ("gpt-5", "gpt_5"),
        ("gpt-5-mini", "gpt_5"), ("gpt-5-2025-08-07", "gpt_5"), ("gpt-5.1", "gpt_5"), ("openai/gpt-5.2", "gpt_5_2"),
        ("gpt-5.10", "gpt_5_2"), ("claude-opus-4-20250514", "claude"), ("claude-opus-4-7", "claude_high"),
        ("anthropic/claude-opus-4.7", "claude_high"), ("models/gemini-3-pro", "gemini"), ("grok-4", "grok"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2_5_vl"), ("glm-5v-turbo", "glm"), ("Qwen3-VL-8B", "qwen3_vl"),
    ])  # fmt: skip
    def test_a_models_name_tells_its_family(self, model, name):
        assert speaker("auto", model).name == name

    def test_a_version_is_never_guessed(self):
        assert speaker("gpt", "gpt-5-mini").name == "gpt_5"
        for model in ("", "my-proxy"):
            with pytest.raises(ValueError, match="gpt_5_2"):
                speaker("gpt", model)

    def test_another_vendors_model_is_refused(self):
        with pytest.raises(ValueError, match="gpt_4"):
            speaker("gemini", "gpt-4o")
        with pytest.raises(ValueError, match="qwen2_5_vl"):
            speaker("qwen3_vl", "Qwen2.5-VL-7B-Instruct")
        assert speaker("claude", "claude-opus-4-7").name == "claude"
        assert speaker("gemini", "my-finetune").name == "gemini"

    def test_an_unknown_family_names_the_nearest(self):
        with pytest.raises(ValueError, match="'gemini'"):
            speaker("gemnii")
        assert set(GROUPS) | set(SPEAKERS) | {"auto"} == set(names())

    @pytest.mark.parametrize("name", SPEAKERS)
    def test_what_was_asked_is_told_beside_a_score(self, name):
        about = SPEAKERS[name].about()
        assert about["family"] == name
        assert about["frame"] and about["pictures"] and set(about["prompts"]) == {"visible", "amodal"}
        assert all("{sent}" in prompt for prompt in about["prompts"].values())


@pytest.mark.parametrize(("frame", "numbers"), [
    (Frame("thousandths", "yxyx"), (100, 250, 600, 750)), (Frame("pixels"), (160, 48, 480, 288)),
    (Frame("pixels", "xywh"), (160, 48, 320, 240)), (Frame("percent"), (25, 10, 75, 60)),
    (Frame("fractions"), (0.75, 0.6, 0.25, 0.1)),
])  # fmt: skip
def test_frames_give_thousandths(frame, numbers):
    assert frame.relative(numbers, WIDE, HIGH) == pytest.approx(BOX)
    assert frame.relative([v * 5 for v in numbers], WIDE, HIGH) is None
