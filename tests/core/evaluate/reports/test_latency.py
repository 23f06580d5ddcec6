"""Times beside accuracy: which have an interval, the paper's own rows, and a picture whose words lie apart."""

from __future__ import annotations

from itertools import combinations

from test_field_tables import cells, result

from egm_core.bench.cells import Bench, Cell
from egm_core.bench.timing import Timed
from egm_core.command.paper_tables import benched as benched_times
from egm_core.evaluate.__main__ import main
from egm_core.evaluate.paper.latency import FIGURE_5
from egm_core.evaluate.reports.field_tables import Model
from egm_core.evaluate.reports.latency import drawn
from egm_core.evaluate.results import read


def test_a_batchs_time_that_was_shared_out_has_no_interval(tmp_path, capsys):
    batched = result(tmp_path, "a", "yn")
    apart = result(tmp_path, "b", "yn", asked="4 side by side")
    assert main(["latency", f"a={batched}", f"b={apart}"]) == 0
    printed = capsys.readouterr().out
    assert cells(printed, "a")[0] == "250.0 (the batch's time, shared out)"
    assert cells(printed, "b")[0] == "250.0 (no interval: 2)"


def test_the_papers_rows_are_printed_and_the_picture_is_told(tmp_path, capsys):
    out = tmp_path / "new" / "f.svg"
    assert main(["latency", str(result(tmp_path, "a", "yn")), "--paper", "--draw", str(out)]) == 0
    printed = capsys.readouterr().out
    for point in FIGURE_5:
        assert cells(printed, f"{point.model}, paper")[:2] == [f"{point.ms:g}", f"{point.accuracy:.1f}"]
    assert str(out) in printed and out.is_file()
    assert main(["latency", str(tmp_path / "a.json")]) == 0
    assert "paper" not in capsys.readouterr().out


def test_no_words_of_the_picture_lie_over_others_or_beyond_its_edge(tmp_path):
    models = [Model(n, (read(n, result(tmp_path, n, r, machine="a machine with a long description, 96 cores")),))
              for n, r in (("a", "yyyyn"), ("b", "yyyyn"), ("a model with a long name", "yyyn"))]  # fmt: skip
    picture = drawn(models, with_paper=True)
    picture.draw_without_rendering()
    panel = picture.axes[0]
    renderer = picture.canvas.get_renderer()
    numbers = [text.get_window_extent(renderer) for text in panel.texts]
    lines = [text.get_window_extent(renderer) for text in picture.legends[0].get_texts()]
    assert len(numbers) == len(lines) == len(FIGURE_5) + 3
    assert all(not one.overlaps(two) for one, two in combinations([*numbers, *lines], 2))
    inside = panel.get_window_extent(renderer)
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
               for box in numbers)  # fmt: skip
    assert all(box.x0 >= 0 and box.x1 <= picture.bbox.width and box.y0 >= 0 for box in lines)


def test_a_long_list_of_results_stays_inside_the_picture(tmp_path):
    models = [Model(f"m{n}", (read(f"m{n}", result(tmp_path, f"m{n}", "yyn", machine="a machine, 96 cores")),))
              for n in range(14)]  # fmt: skip
    picture = drawn(models, with_paper=False)
    picture.draw_without_rendering()
    boxes = [text.get_window_extent() for text in picture.legends[0].get_texts()]
    assert len(boxes) == 14 and all(box.y0 >= 0 and box.y1 <= picture.bbox.height for box in boxes)


def benched(path, at_once=1):
    answers = [Timed(0.01, 0.1, seconds, 5) for seconds in (0.1, 0.2, 0.3)]
    cell = Cell.of(answers, 0.6, engine="vllm", model="m", size="640x480", at_once=at_once)
    Bench({"model": "m"}, {"machine": "a robot", "device": "a card"}, [cell]).write(path)
    return path


def test_times_of_a_bench_stand_in_place_of_the_evaluations(tmp_path, capsys):
    given, times = result(tmp_path, "a", "yn"), benched(tmp_path / "bench.json")
    assert main(["latency", f"a={given}", "--times", f"a={times}"]) == 0
    row = cells(capsys.readouterr().out, "a")
    assert row[0].startswith("200.0 (") and "50.0" in row[1]
    assert row[3:] == ["one at a time of vllm, 3 images of 640x480", "a robot, a card"]
    found = benched_times(times)
    listed = drawn([Model("a", (read("a", given),))], False, {"a": found}).legends[0].get_texts()
    assert "a robot, a card" in listed[0].get_text()


def test_times_that_fit_nothing_are_refused(tmp_path, capsys):
    given, times = result(tmp_path, "a", "yn"), benched(tmp_path / "bench.json", at_once=8)
    assert main(["latency", f"a={given}", "--times", f"a={times}"]) == 2
    assert "run egm bench with --concurrency 1" in capsys.readouterr().err
    assert main(["latency", f"a={given}", "--times", f"b={benched(times)}"]) == 2
    assert "--times b is no result's name" in capsys.readouterr().err
    assert main(["latency", f"a={given}", "--times", f"a={given}"]) == 2
    assert "was not written by egm bench" in capsys.readouterr().err
