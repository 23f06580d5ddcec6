"""Times beside accuracy: which have an interval, the paper's own rows, and a picture whose words lie apart."""

from __future__ import annotations

from itertools import combinations

from test_field_tables import cells, result

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
    assert cells(printed, "b")[0] == "250.0 (250.0 to 250.0)"


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
