"""Vendors' servers asked over HTTP in their own frames, and a pilot that notices when a frame is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import vendor_server
from vendor_server import VENDORS, pixels, relative, serving

from egm_core.command.evaluate import main
from egm_core.command.pilot import draw, text
from egm_core.evaluate.pilot import Reply, judge
from egm_core.families.vendors import SPEAKERS, speaker
from egm_core.sample import Sample, read_samples, write_samples


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures with a red rectangle each, some of them larger than Claude's limits; one question is absent."""
    folder = tmp_path_factory.mktemp("pilot")
    rng = np.random.default_rng(3)
    samples = []
    for number in range(8):
        width, height = ((640, 480), (400, 600), (2000, 1250), (321, 243))[number % 4]
        x0, y0 = int(rng.integers(0, width // 2)), int(rng.integers(0, height // 3))
        x1, y1 = x0 + int(rng.integers(width // 5, width // 2)), y0 + int(rng.integers(height // 5, height // 2))
        image = np.full((height, width, 3), 200, np.uint8)
        image[y0:y1, x0:x1] = (20, 20, 220)
        cv2.imwrite(str(folder / f"{number}.png"), image)
        box = (float(x0), float(y0), float(x1), float(y1))
        whole = Sample(str(folder / f"{number}.png"), "the red one", box, box, 1.0, height, width)
        samples += [whole, replace(whole, sent="the red rectangle")]
    samples.append(replace(samples[0], sent="the blue one", bbox=None, amodal_bbox=None))
    write_samples(folder / "val.jsonl", samples)
    return folder / "val.jsonl"


def pilot(file: Path, vendor: vendor_server.Vendor, family: str, *more: str) -> tuple[int, dict]:
    out = file.parent / "pilot.json"
    out.unlink(missing_ok=True)
    vendor.bodies.clear()
    vendor.sizes.clear()
    with serving(vendor) as server:
        status = main(
            [
                "pilot",
                str(file),
                "--engine-url",
                server.url,
                "--model",
                vendor.model,
                "--family",
                family,
                "--pictures",
                "8",
                "--batch",
                "2",
                "--json",
                str(out),
                *more,
            ]
        )
    return status, json.loads(out.read_text()) if out.exists() else {}


class TestVendors:
    @pytest.mark.parametrize("name", VENDORS)
    def test_each_is_asked_and_read_in_its_own_frame(self, file, name, capsys):
        vendor = VENDORS[name]
        status, told = pilot(file, vendor, name)
        assert status == 0, capsys.readouterr().err
        assert (told["own"]["accuracy"], told["own"]["read"], told["better"]) == (1.0, 8, None)
        assert told["own"]["mean_iou"] > 0.97
        assert (told["family"], told["frame"]) == (name, SPEAKERS[name].frame_words)
        assert told["failed"] == []
        asked = vendor.bodies[0]["messages"][0]["content"][1]["text"]
        width, height = vendor.sizes[0]
        assert (
            asked == speaker(name).seeing(width, height).prompt(told["answers"][0]["expression"], "visible")
            or "red" in asked
        )
        assert not set(vendor.bodies[-1]) & set(vendor.refuses)

    def test_every_vendor_has_its_server(self):
        assert set(VENDORS) | {"qwen3_vl", "qwen3_5", "internvl3"} == set(SPEAKERS)

    def test_claude_gets_pictures_that_it_does_not_resize(self, file):
        pilot(file, VENDORS["claude"], "claude")
        assert (2000, 1250) not in VENDORS["claude"].sizes
        assert all(max(size) <= 1568 for size in VENDORS["claude"].sizes)
        pilot(file, VENDORS["claude_high"], "claude_high")
        assert (2000, 1250) in VENDORS["claude_high"].sizes

    def test_a_schema_goes_along_where_the_vendor_has_one(self, file):
        pilot(file, VENDORS["gpt_5_2"], "gpt")
        sent = VENDORS["gpt_5_2"].bodies[0]["response_format"]["json_schema"]
        assert sent["strict"] is True
        assert sent["schema"]["required"] == ["detections"]
        pilot(file, VENDORS["gpt_4"], "gpt")
        assert "response_format" not in VENDORS["gpt_4"].bodies[0]

    def test_what_a_server_refuses_is_left_out_and_said(self, file, caplog):
        pilot(file, VENDORS["gpt_5"], "gpt")
        assert "refuses temperature" in caplog.text
        assert VENDORS["gpt_5"].bodies[0]["max_completion_tokens"] == 4096


class TestNothingReadable:
    def test_is_a_failure_that_says_so(self, file, caplog, capsys):
        """Answers without a box say nothing about a frame, so no frame may be called as good as another."""
        vendor = vendor_server.Vendor("my-model", lambda *_: "I see a red thing, on the left.")
        status, told = pilot(file, vendor, "gemini")
        printed = capsys.readouterr().out
        assert (status, told["own"]["read"], len(told["answers"])) == (1, 0, 8)
        assert "nothing was readable" in printed and "fits better" not in printed
        assert "I see a red thing" in caplog.text and "--max-tokens" in caplog.text


class TestAWrongFrame:
    @pytest.mark.parametrize(
        ("family", "write", "better"),
        [
            ("glm", vendor_server.gemini, "[y0, x0, y1, x1] in thousandths of the picture"),
            ("gpt_4", relative, "[x0, y0, x1, y1] in thousandths of the picture"),
            ("claude", vendor_server.percent, "[x0, y0, x1, y1] in per cent of the picture"),
            ("qwen2_5_vl", relative, "[x0, y0, x1, y1] in thousandths of the picture"),
        ],
    )
    def test_is_noticed(self, file, family, write, better, caplog, capsys):
        _, told = pilot(file, vendor_server.Vendor("my-model", write), family)
        assert told["better"] == better
        assert told["own"]["accuracy"] < 0.5
        assert better in caplog.text and "fits better" in capsys.readouterr().out

    def test_the_original_pictures_pixels_are_told_from_those_sent(self):
        """A server behind which the picture is enlarged again answers in pixels of a picture that it never got."""
        box = (1000.0, 600.0, 1900.0, 1200.0)
        said = json.dumps([{"bbox": [1000, 600, 1900, 1200]}])
        replies = [Reply(f"{n}.png", "it", said, box, (2000, 1250), (1400, 875)) for n in range(20)]
        found = judge(speaker("claude"), replies).better
        assert found is not None and "as its file has it" in found.name

    def test_absent_and_unreadable_answers_fit_no_frame(self):
        replies = [
            Reply(f"{n}.png", "it", text, (0.0, 0.0, 9.0, 9.0), (10, 10), (10, 10))
            for n, text in enumerate(["[]", "I cannot see it.", "", "<think>it is", "[1, 2, 3]"])
        ]
        found = judge(speaker("glm"), replies)
        assert found.better is None
        assert {fit.read for fit in (found.own, *found.others)} == {0}

    def test_one_lucky_answer_is_no_better_frame(self):
        right = Reply("a.png", "it", "[[250, 100, 750, 600]]", (160.0, 48.0, 480.0, 288.0), (640, 480), (640, 480))
        lucky = replace(right, picture="b.png", text="[[100, 250, 600, 750]]")
        assert judge(speaker("glm"), [right, right, right, lucky]).better is None

    def test_mean_iou_and_accuracy_are_in_percent_and_say_so(self):
        reply = Reply("a.png", "it", "[[250, 100, 750, 600]]", (160.0, 48.0, 480.0, 288.0), (640, 480), (640, 480))
        own = [line.split() for line in text(judge(speaker("glm"), [reply]), speaker("glm"), "m", 0).splitlines()]
        assert any("Acc@0.5, % mean IoU, %" in " ".join(line) for line in own)
        assert any(line[-7:] == ["100.0", "100.0", "1", "as", "it", "is", "scored"] for line in own)

    def test_a_few_pictures_say_so_rather_than_that_none_is_better(self):
        reply = Reply("a.png", "it", "[[100, 250, 600, 750]]", (160.0, 48.0, 480.0, 288.0), (640, 480), (640, 480))
        found = judge(speaker("glm"), [replace(reply, picture=f"{n}.png") for n in range(3)])
        assert found.better is None
        printed = text(found, speaker("glm"), "m", 0)
        assert "too few images to say for sure whether another frame fits better: no interval: 3 images" in printed
        assert "+100.0 [no interval: 3]" in printed and "for sure" not in printed.replace("say for sure", "")
        enough = judge(speaker("glm"), [replace(reply, picture=f"{n}.png") for n in range(5)])
        assert enough.better is not None and "fits better: " in text(enough, speaker("glm"), "m", 0)


class TestTheDraw:
    def test_one_question_a_picture_and_the_same_in_any_order(self, file):
        samples = list(read_samples(file))
        drawn = draw(samples, "visible", 5, 0)
        assert len({s.image for s in drawn}) == 5
        assert draw(samples[::-1], "visible", 5, 0) == drawn
        assert draw(samples, "visible", 5, 1) != drawn
        assert all(s.bbox for s in draw(samples, "visible", 99, 0))

    def test_a_file_without_boxes_is_refused(self, tmp_path, file, capsys, caplog):
        empty = next(s for s in read_samples(file) if s.bbox is None)
        write_samples(tmp_path / "none.jsonl", [empty])
        assert main(["pilot", str(tmp_path / "none.jsonl"), "--engine-url", "http://127.0.0.1:9"]) == 2
        assert "no visible question" in caplog.text

    def test_a_server_that_is_not_there_is_named(self, file, caplog):
        words = ["pilot", str(file), "--engine-url", "http://127.0.0.1:9", "--model", "m", "--family", "glm"]
        assert main([*words, "--pictures", "1", "--wait", "0.1"]) == 1
        assert "engine_unreachable" in caplog.text

    def test_an_odd_answer_is_counted_not_hidden(self, file):
        status, told = pilot(file, vendor_server.Vendor("m", pixels("bbox"), absent="I'd rather not."), "claude")
        assert status == 1
        assert (told["own"]["read"], told["own"]["accuracy"]) == (0, 0.0)


@pytest.mark.parametrize("numbers, exchanged", [("50,20,10,40", 1), ("10,40,50,20", 1), ("10,20,50,40", 0), ("", 0)])
def test_exchanged_corners_are_counted(numbers, exchanged):
    told = f'[{{"bbox_2d": [{numbers}], "label": "it"}}]' if numbers else "I do not know."
    reply = Reply("a.png", "it", told, (10.0, 20.0, 50.0, 40.0), (100, 100), (100, 100))
    assert judge(speaker("qwen2_5_vl"), [reply]).exchanged == exchanged
