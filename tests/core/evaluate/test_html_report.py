"""The report as one HTML file: what it holds, what it weighs, and how it behaves in a real browser."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from egm_core.command.evaluate import main
from egm_core.evaluate.html import page as pages
from egm_core.evaluate.html.page import page
from egm_core.evaluate.html.runs import named_apart, read
from egm_core.evaluate.html.tables import tables
from egm_core.evaluate.html.thumbnails import thumbnails

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '</script><script>document.title = "taken"</script><b id="evil">'


def row(number: int, image: str, right: bool, **more: Any) -> dict[str, Any]:
    truth = [10.0, 10.0, 60.0, 50.0]
    box = truth if right else [70.0, 60.0, 110.0, 80.0]
    return {
        "id": str(number), "image": image, "width": 120, "height": 90, "task": ("visible", "amodal")[number % 2],
        "kind": ("plain", "spatial", "attribute")[number % 3], "text": f"the mug number {number}", "split": "val",
        "outcome": "found", "correct": right, "iou": float(right), "box": box, "truth": truth, "reason": "",
        "reasoning": f"It is the one with the number {number}.",
        "answer": f'It is the one.</think>\n\n[{{"bbox_2d": [1, 2, 3, {number}]}}]', "seconds": 0.5,
        "strange": {"x": 1},
    } | more  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models' results on 90 questions about six pictures, with every outcome and a hostile text."""
    folder = tmp_path_factory.mktemp("results")
    images = [str(folder / f"{n}.jpg") for n in range(6)]
    for number, image in enumerate(images):
        cv2.imwrite(image, np.full((90, 120, 3), 40 * number, np.uint8))
    paths = []
    for model in ("first", "second"):
        rows = [row(n, images[n % 6], n % 3 != 0 if model == "first" else n % 4 != 0) for n in range(90)]
        none = {"box": None, "iou": 0.0, "correct": False}
        rows[1] |= none | {"outcome": "malformed", "reason": "ambiguous"}
        rows[2] |= none | {"outcome": "failed", "reason": "engine_timeout"}
        rows[4] |= {"truth": None, "iou": None, "outcome": "absent", "box": None, "correct": True}
        rows[5] |= {"text": HOSTILE, "reasoning": HOSTILE}
        paths.append(folder / f"{model}.json")
        paths[-1].write_text(
            json.dumps({"model": model, "frame": "thousandths", "rows": rows, "prompts": {"visible": "Locate {sent}"}})
        )
    return paths


@pytest.fixture(scope="module")
def written(results: list[Path]) -> Path:
    out = results[0].with_name("report.html")
    assert main(["report", *map(str, results), "--out", str(out)]) == 0
    return out


def data(path: Path) -> dict[str, Any]:
    """Unpack what a page holds."""
    plain, packed = (
        re.search(rf'id="{name}">(.*?)</script>', path.read_text(), re.DOTALL) for name in ("data", "packed")
    )
    assert plain and packed
    return json.loads(plain[1]) | json.loads(gzip.decompress(base64.b64decode(packed[1])))


class TestTheFile:
    def test_needs_no_network(self, written):
        text = written.read_text()
        addresses = re.findall(r"""(?:src|href)=["']?(?!data:|#)([^"'> ]+)|url\((?!#)([^)]+)\)|@import""", text)
        assert not addresses
        assert "default-src 'none'" in text

    def test_has_every_question_once_with_both_answers_and_its_picture(self, written):
        told = data(written)
        assert (told["runs"], len(told["questions"]), len(told["pictures"])) == (["first", "second"], 90, 6)
        question = told["questions"][7]
        assert [answer["c"] for answer in question["r"]] == [1, 1]
        assert question["r"][0]["n"] == "It is the one with the number 7."
        assert question["r"][0]["x"].startswith('[{"bbox_2d"')
        assert told["questions"][4]["b"] is None
        webp = base64.b64decode(told["pictures"][0]["src"].partition(",")[2])
        assert cv2.imdecode(np.frombuffer(webp, np.uint8), cv2.IMREAD_COLOR).shape == (90, 120, 3)

    def test_a_hostile_text_stays_a_text(self, written):
        assert data(written)["questions"][5]["t"] == HOSTILE
        assert written.read_text().count("</script>") == 3

    def test_tables_tell_models_tasks_and_groups(self, results):
        runs = [read(path) for path in results]
        made = {table.title: table for table in tables(runs, named_apart(runs))}
        assert {"All answers", "visible: by kind of expression", "Against first, on the same questions"} <= set(made)
        whole = dict(zip(made["All answers"].head, made["All answers"].rows[0], strict=True))
        rights = [
            a.right for q, a in zip(runs[0].questions, runs[0].answers, strict=True) if q.task == "visible" and q.truth
        ]
        assert whole["Acc@0.5"] == f"{100 * sum(rights) / 44:.1f}"
        fits = [a.iou for q, a in zip(runs[0].questions, runs[0].answers, strict=True)
                if q.task == "visible" and q.truth and a.iou is not None]  # fmt: skip
        assert whole["mean IoU, %"] == f"{100 * sum(fits) / len(fits):.1f}"
        assert (whole["n"], whole["failed"], whole["absent objects recognised"]) == ("44", "2.3", "100.0 of 1")
        against = made["Against first, on the same questions"].rows
        assert [line[2] for line in against] == ["44", "45"]


class TestWeight:
    def test_thumbnails_shrink_until_they_fit(self, tmp_path):
        rng = np.random.default_rng(0)
        names = []
        for number in range(5):
            noise = cv2.resize(rng.integers(0, 255, (60, 80, 3), np.uint8), (400, 300), interpolation=cv2.INTER_CUBIC)
            names.append(str(tmp_path / f"{number}.jpg"))
            cv2.imwrite(names[-1], noise)
        large, small = thumbnails(names * 3, 10_000_000), thumbnails(names, 25_000)
        assert large.side == 512 and len(large.by_name) == 5
        assert small.side < large.side
        assert sum(len(t.url) for t in small.by_name.values()) <= 25_000
        assert small.by_name[names[0]].width == 400
        with pytest.raises(ValueError, match="--most"):
            thumbnails(names, 900)

    def test_long_texts_are_cut_and_it_is_said(self, results, tmp_path):
        run = read(results[0])
        rng = random.Random(0)
        long = replace(run, answers=[replace(a, reasoning=rng.randbytes(2000).hex()) for a in run.answers])
        made = page([long], limit=pages.REST + 60_000)
        assert any("cut to" in note for note in made.notes)
        assert len(made.html.encode()) < pages.REST + 60_000
        (tmp_path / "cut.html").write_text(made.html)
        assert all(question["r"][0]["n"].endswith("[…]") for question in data(tmp_path / "cut.html")["questions"])
        assert not any("cut to" in note for note in page([run], pictures=False).notes)

    def test_a_lost_picture_is_counted_by_name(self, results, tmp_path, caplog):
        told = json.loads(results[0].read_text())
        told["rows"] = told["rows"][:3]
        told["rows"][0]["image"] = str(tmp_path / "gone.jpg")
        (tmp_path / "one.json").write_text(json.dumps(told))
        assert main(["report", str(tmp_path / "one.json"), "--out", str(tmp_path / "r.html"), "--most", "2"]) == 0
        assert "1 of 2 pictures could not be read" in caplog.text and "gone.jpg" in caplog.text
        assert "2 of 3 questions are kept" in caplog.text
        assert main(["report", str(tmp_path / "one.json"), "--out", str(tmp_path / "r.html"), "--no-pictures"]) == 0
        assert "data:image" not in (tmp_path / "r.html").read_text()


class TestSameFigures:
    """A report of a file says what the command that wrote the file says: same rows, same groups, same intervals."""

    @pytest.mark.parametrize("at_least", [False, True])
    def test_groups_and_intervals_are_those_of_the_result(self, tmp_path, at_least):
        sents = ("left red cup", "the cup", "not the blue cup on the right", "old cup", "cup at the top")
        records = [
            {"image": f"{n % 7}.jpg", "sent": f"{sents[n % 5]} {n}", "bbox": [1, 1, 11, 6 + n % 5],
             "amodal_bbox": [1, 1, 11, 11], "visible_fraction": 0.5, "height": 90, "width": 120, "source": "ours",
             "split": "val", "image_id": str(n % 7)}
            for n in range(20)
        ] + [{"image": "9.jpg", "sent": "red cup", "bbox": None, "height": 90, "width": 120}]  # fmt: skip
        file, result = tmp_path / "a.jsonl", tmp_path / "a.json"
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
        asked = ["amodal", str(file), "--without-model", "copy", "--json", str(result)]
        assert main([*asked, *["--at-least"] * at_least]) == 0
        figures = json.loads(result.read_text())["figures"]
        run = read(result)
        made = {table.title: table for table in tables([run], ["a"])}
        kinds = next(lines for title, lines in figures["groups"].items() if title.startswith("kind"))
        told = [[line["name"], *_cells(line["acc@0.5"]), str(line["rows"])] for line in kinds]
        assert len({kind for kind, *_ in told}) > 3
        assert any("no interval: 4" in line for line in told) and any(" to " in line[2] for line in told)
        assert "Wilson" in made["All answers"].note and "Fewer than 5 pictures" in made["All answers"].note
        assert sorted(map(list, made["amodal: by kind of expression"].rows)) == sorted(told)
        assert "each kind" in made["amodal: by kind of expression"].note
        whole = dict(zip(made["All answers"].head, made["All answers"].rows[0], strict=True))
        assert [whole["Acc@0.5"], whole["95 %"]] == _cells(figures["micro"]["acc@0.5"])
        assert whole["n"] == "20" and whole["absent objects recognised"].endswith(" of 1")
        assert ("at least" in made["All answers"].note) == at_least
        question = next(q for q in questions_of(run) if "left red" in q["t"])
        assert question["g"]["kind"] == ["spatial", "attribute"]


def _cells(figure: dict[str, Any]) -> list[str]:
    low, high = figure["low"], figure["high"]
    ends = f"no interval: {figure['images']}" if low is None else f"{100 * low:.1f} to {100 * high:.1f}"
    return [f"{100 * figure['value']:.1f}", ends]


def questions_of(run: Any) -> list[dict[str, Any]]:
    """Give the questions of a page."""
    packed = re.search(r'id="packed">(.*?)</script>', page([run], pictures=False).html, re.DOTALL)
    assert packed
    return json.loads(gzip.decompress(base64.b64decode(packed[1])))["questions"]


class TestReading:
    def test_rows_of_generated_scenes_are_read(self, tmp_path):
        kept = {"seed": 900, "world": "tabletop", "task": "visible", "kind": "plain", "text": "the mug",
                "outcome": "found", "correct": True, "iou": 0.9, "box": [1, 2, 3, 4], "truth": [1, 2, 3, 4],
                "thinking": None}  # fmt: skip
        path = tmp_path / "scenes.json"
        path.write_text(json.dumps({"model": "egm_tiny", "rows": [kept]}))
        run = read(path)
        assert (run.questions[0].picture, run.questions[0].groups["world"]) == ("scene:900", ("tabletop",))
        assert run.answers[0].reasoning == ""

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("[]", "no result"),
            ('{"rows": []}', "no answers"),
            ('{"rows": [{"text": "a"}]}', "row 1"),
            ("{", "no result"),
        ],
    )
    def test_what_is_no_result_is_named(self, tmp_path, text, named, caplog):
        (tmp_path / "x.json").write_text(text)
        assert main(["report", str(tmp_path / "x.json"), "--out", str(tmp_path / "r.html")]) == 2
        assert named in caplog.text and "x.json" in caplog.text
        assert not (tmp_path / "r.html").exists()

    def test_two_files_of_one_model_are_told_apart(self, results):
        run = read(results[0])
        assert named_apart([run, run]) == ["first (first) #1", "first (first) #2"]


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium (apt install chromium)")
    with playwright.sync_playwright() as run:
        made = run.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def shown(browser, written):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light", offline=True)
    view = context.new_page()
    view.set_default_timeout(60_000)
    wrong: list[str] = []
    view.on("pageerror", lambda error: wrong.append(str(error)))
    view.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    view.goto(written.as_uri())
    view.wait_for_selector("body[data-ready]")
    yield view
    context.close()
    assert not wrong


class TestInABrowser:
    def test_the_overview_shows_tables_and_plots(self, shown):
        assert shown.title() == "first and second"
        assert shown.locator("#overview svg").count() >= 4
        assert shown.locator("tbody tr").first.is_visible()
        assert not shown.locator("#answers").is_visible()

    @pytest.mark.parametrize("width", [1400, 800])
    def test_no_table_is_wider_than_the_page(self, shown, width):
        shown.set_viewport_size({"width": width, "height": 900})
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        most = shown.evaluate(
            "Math.max(...[...document.querySelectorAll('.scroll')].map(s => s.scrollWidth - s.clientWidth))"
        )
        assert width < 1400 or most <= 0
        assert shown.evaluate("document.querySelector('.scroll').scrollWidth") <= shown.evaluate(
            "document.querySelector('.scroll').clientWidth"
        )

    @pytest.mark.parametrize("width", [1400, 800])
    def test_all_answers_of_two_models_of_long_names_fit_their_card(self, browser, results, tmp_path, width):
        paths = []
        for path, name in zip(results, ("nvidia/EGM-Qwen3-VL-8B-v1", "Qwen/Qwen3-VL-235B-A22B-Instruct"), strict=True):
            told = json.loads(path.read_text()) | {"model": name, "reasoning": False, "mode": "paper_eval"}
            for row in told["rows"]:
                row["finish"] = "length"
            paths.append(tmp_path / path.name)
            paths[-1].write_text(json.dumps(told))
        runs = [read(path) for path in paths]
        assert "no reasoning" in runs[0].name
        out = tmp_path / "report.html"
        out.write_text(page(runs, pictures=False).html)
        view = browser.new_page(viewport={"width": width, "height": 900})
        view.goto(out.as_uri())
        scrolled, seen = view.evaluate("(s => [s.scrollWidth, s.clientWidth])(document.querySelector('.scroll'))")
        head = view.locator(".table").first.locator("thead").inner_text()
        view.close()
        assert scrolled <= seen and "success" not in head

    def test_filters_narrow_by_outcome_and_kind(self, shown):
        shown.keyboard.press("2")
        assert shown.locator("#shown").inner_text().startswith("90 of 90")
        shown.locator('input[name=outcome][value="malformed"]').check()
        assert shown.locator(".card").count() == 1
        shown.locator("#clear").click()
        shown.locator('input[name=kind][value="spatial"]').check()
        shown.locator('input[name=versus][value="only the first right"]').check()
        told = data_of(shown)
        wanted = [q for q in told["questions"] if q["g"]["kind"] == ["spatial"] and q["r"][0]["c"] > q["r"][1]["c"]]
        assert wanted and shown.locator(".card").count() == len(wanted)

    def test_the_keyboard_moves_opens_searches_and_closes(self, shown):
        shown.keyboard.press("/")
        shown.keyboard.type("number 42")
        assert shown.locator(".card").count() == 1
        shown.keyboard.press("Enter")
        shown.keyboard.press("Enter")
        assert shown.locator("#detail h2").inner_text() == "the mug number 42"
        assert "with the number 42" in shown.locator("#detail .thought").first.inner_text()
        shown.keyboard.press("Escape")
        assert not shown.locator("#detail").is_visible()
        shown.locator("#clear").click()
        for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
            shown.keyboard.press(key)
        wide = shown.evaluate("columns()")
        assert shown.evaluate("state.at") == 1 + wide
        assert shown.locator(".card").nth(1 + wide).get_attribute("class") == "card chosen"
        shown.keyboard.press("Enter")
        shown.keyboard.press("ArrowRight")
        assert shown.locator("#detail h2").inner_text() == f"the mug number {2 + wide}"

    def test_two_models_stand_side_by_side(self, shown):
        shown.keyboard.press("2")
        assert shown.locator(".card").nth(6).locator("rect.truth, rect.one, rect.two").count() == 3
        shown.keyboard.press("s")
        shots = shown.locator(".card").nth(6).locator(".shot")
        assert shots.count() == 2
        assert [shots.nth(n).locator(f"rect.{name}").count() for n, name in enumerate(("one", "two"))] == [1, 1]
        assert shots.nth(0).locator("rect.two").count() == 0
        assert shown.locator(".card .who").first.inner_text() == "first"

    def test_boxes_lie_where_the_object_is(self, shown):
        shown.keyboard.press("2")
        card = shown.locator(".card").nth(7)
        card.scroll_into_view_if_needed()
        frame, truth = card.locator(".shot").bounding_box(), card.locator("rect.truth").bounding_box()
        scale = min(frame["width"] / 120, frame["height"] / 90)
        left = frame["x"] + (frame["width"] - 120 * scale) / 2
        assert truth["x"] == pytest.approx(left + 10 * scale, abs=4)
        assert truth["width"] == pytest.approx(50 * scale, abs=8)

    def test_dark_and_light(self, shown):
        def ink() -> str:
            return shown.evaluate("getComputedStyle(document.body).backgroundColor")

        light = ink()
        shown.keyboard.press("d")
        assert ink() != light
        assert sum(map(int, re.findall(r"\d+", ink()))) < 150

    def test_all_answers_can_be_scrolled_to(self, shown):
        shown.keyboard.press("2")
        shown.locator(".card").nth(59).scroll_into_view_if_needed()
        shown.locator(".card").nth(89).wait_for()

    def test_a_hostile_text_does_nothing(self, shown):
        shown.keyboard.press("/")
        shown.keyboard.type("taken")
        assert shown.locator(".card").count() == 1
        assert shown.locator("#evil").count() == 0 and shown.title() == "first and second"


def data_of(view: Any) -> dict[str, Any]:
    return view.evaluate("D")
