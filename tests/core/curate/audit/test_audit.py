"""The audit: a seeded choice, a sheet that works in a browser without a network, and the rate of its judgements."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.command.curate import main
from egm_core.curate import provenance
from egm_core.curate.audit.interval import Judged, read_judgements
from egm_core.curate.audit.items import chosen, items
from egm_core.evaluate.statistics import wilson
from egm_core.sample import Sample, read_samples, write_samples

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '</script><script>document.title = "taken"</script><b id="evil">'
COUNT = 12


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Samples with reasoning on two pictures, their provenance, and one hostile text."""
    pictures = []
    for number in range(2):
        image = np.full((120, 160, 3), 60 + 90 * number, np.uint8)
        cv2.rectangle(image, (40, 30), (90, 80), (250, 250, 250), -1)
        pictures.append(str(tmp_path / f"{number}.png"))
        cv2.imwrite(pictures[-1], image)
    samples = [
        Sample(
            pictures[number % 2],
            f"the mug number {number}",
            (40, 30, 90, 80),
            (20, 30, 90, 80),
            0.7,
            120,
            160,
            reasoning=HOSTILE if number == 3 else f"The mug stands alone, and it is number {number}.",
        )
        for number in range(COUNT)
    ]
    write_samples(tmp_path / "x.jsonl", samples)
    origins = [
        provenance.Provenance(str(n), "reason_visible_1", model="t", verdicts={"rules": []}) for n in range(COUNT)
    ]
    provenance.write(tmp_path / "x.provenance.jsonl", origins)
    return tmp_path / "x.jsonl"


@contextmanager
def file_size_limit(most: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes, as on a full disk."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)


def test_wilson_s_interval() -> None:
    assert wilson(3, 100) == pytest.approx((0.01026, 0.08452), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0) and wilson(0, 50)[0] == 0 and wilson(50, 50)[1] == pytest.approx(1)


def test_the_same_seed_draws_the_same(file: Path) -> None:
    found = items(file)
    one, again, other = (chosen(found, 5, seed) for seed in (1, 1, 2))
    assert one == again != other and len({item.key for item in found}) == COUNT
    assert len(chosen(found, 99, 0)) == COUNT
    assert found[0].told == {"teacher": "t", "prompt": "reason_visible_1", "rules": []}


def test_only_the_texts_of_this_teacher_are_drawn(file: Path) -> None:
    samples = [replace(one, amodal_reasoning="It was in the input.") for one in read_samples(file)]
    write_samples(file, samples)
    origins = [provenance.Provenance(str(n), "reason_visible_1", model="t", task="visible") for n in range(COUNT)]
    provenance.write(provenance.beside(file), origins)
    assert {item.task for item in items(file)} == {"visible"} and len(items(file)) == COUNT


def test_a_sidecar_of_other_length_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    provenance.write(provenance.beside(file), [])
    assert main(["audit", str(file), "--out", str(file.with_name("a.html"))]) == 2
    assert "12 records" in capsys.readouterr().err


def test_an_export_is_turned_into_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {str(n): "n" if n < 3 else "y" for n in range(99)}
    export = tmp_path / "audit.json"
    export.write_text(json.dumps({"file": "x", "seed": 4, "of": 5312, "items": 100, "judgements": said}))
    assert main(["audit", "--read", str(export)]) == 0
    line = capsys.readouterr().out
    assert "3 of 99 audited samples were judged wrong: 3.0%" in line and "1.0% to 8.5%" in line
    assert "(seed 4) from 5,312; 1 of the 100 drawn were left undecided." in line


@pytest.mark.parametrize(
    "text", ["[]", "{}", "nothing", '{"file": "x", "seed": 0, "of": 1, "items": 1, "judgements": {"a": "z"}}']
)
def test_another_file_is_no_export(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="other"):
        read_judgements(path)
    with pytest.raises(ValueError, match="nothing is judged"):
        _ = Judged("x", 0, 5, 5, 0, 0).line


@pytest.mark.parametrize("arguments", [[], ["x.jsonl", "--read", "y.json"]])
def test_a_file_or_an_export_is_given(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["audit", *arguments])
    assert end.value.code == 2


def test_the_sheet_is_judged_by_keys_kept_and_exported(file: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium (apt install chromium)")
    out = file.with_name("audit.html")
    assert main(["audit", str(file), "--samples", "10", "--seed", "7", "--out", str(out)]) == 0
    drawn = chosen(items(file), 10, 7)
    asked: list[str] = []
    with playwright.sync_playwright() as run:
        browser = run.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(out.as_uri())
        for key in "yynyuyy":
            page.keyboard.press(key)
        rate = page.locator("#rate").inner_text()
        assert rate.startswith("5 of 10 judged, 1 wrong: 20.0 %")
        assert page.locator("#sent").inner_text() == drawn[5].expression
        page.keyboard.press("ArrowLeft")
        assert page.locator("#good").get_attribute("aria-pressed") == "true"
        assert page.locator("svg rect.visible").count() == page.locator("svg rect.amodal").count() == 1
        page.keyboard.press("b")
        assert not page.locator("svg rect.visible").is_visible()
        # A browser hands what is stored from one page to the next in its own time.
        for _ in range(20):
            page.reload()
            if page.locator("#rate").inner_text() == rate:
                break
        assert page.locator("#rate").inner_text() == rate
        assert page.locator("#sent").inner_text() == drawn[5].expression
        with page.expect_download() as download:
            page.locator("#export").click()
        download.value.save_as(file.with_name("audit.json"))
        assert page.title() == "Audit of x.jsonl" and page.locator("#evil").count() == 0
        browser.close()
    assert all(url.startswith(("file:", "data:")) for url in asked)
    judged = read_judgements(file.with_name("audit.json"))
    assert (judged.good, judged.wrong, judged.items, judged.of, judged.seed) == (4, 1, 10, COUNT, 7)


def test_images_that_are_not_there_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples = [Sample(f"{n}.png", "mug", (1, 1, 9, 9), None, None, 20, 20, reasoning="It is.") for n in range(5)]
    write_samples(tmp_path / "gone.jsonl", samples)
    assert main(["audit", str(tmp_path / "gone.jsonl"), "--out", str(tmp_path / "a.html")]) == 0
    assert caplog.text.count("is shown without its picture") == 3
    assert "5 images in all cannot be shown" in caplog.text


def test_one_expression_of_several_boxes_is_judged_for_each(file: Path) -> None:
    one = next(iter(read_samples(file)))
    twins = [replace(one, sent="the twin", reasoning="", bbox=(x, 30, x + 40, 80)) for x in (20, 60)]
    write_samples(file, [*twins, twins[0]])
    file.with_name("x.provenance.jsonl").unlink()
    keys = [item.key for item in items(file)]
    assert len(set(keys)) == 3
    # Judgements of a sheet that was drawn anew are found again.
    assert keys == [item.key for item in items(file)]


def test_a_disk_that_is_full_leaves_the_sheet_of_before(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = file.with_name("audit.html")
    assert main(["audit", str(file), "--out", str(sheet)]) == 0
    before = sheet.read_bytes()
    with file_size_limit(1000):
        assert main(["audit", str(file), "--out", str(sheet), "--seed", "2"]) != 0
    assert sheet.read_bytes() == before
    assert "audit.html" in capsys.readouterr().err
