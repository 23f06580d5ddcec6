"""The figures as a table, with the ratios that a reader would work out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from egm_core.bench.cells import Bench, Cell
from egm_core.bench.energy import NOT_TOLD
from egm_core.bench.spread import Spread

HEAD = (
    "engine", "image", "at once", "first token, ms", "floor", "token, ms", "floor", "answer, ms", "floor",
    "tokens", "questions/s", "J a question", "load",
)  # fmt: skip


# Rounds of questions that a load has at least.
ROUNDS = 2
# From this share on a token's time is told to be worth nothing.
BUNCHED = 0.25


def table(cells: Sequence[Cell]) -> str:
    """Write cells as Markdown; times are median / p95 / p99."""
    rows = [HEAD, ["---"] * len(HEAD), *(_row(cell) for cell in cells if cell.total)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    wrong = [f"- {_name(cell)}: {_wrong(cell)}" for cell in cells if cell.wrong]
    return "\n".join([*(lines if len(rows) > 2 else []), *([""] if wrong else []), *wrong])


def text(bench: Bench) -> str:
    """Write what the run was, its table, and its ratios."""
    about = bench.about
    speed = about.get("bytes_a_second")
    told = f"{speed / 1e9:.1f} GB/s measured on a buffer of the model's size" if speed else about.get("no_floor", "")
    head = [
        f"{about.get('machine', '')}; {told}".rstrip("; "),
        f"{about.get('asked', '')}. Times are median / p95 / p99; load is the machine's average as it began.",
    ]
    said = [*filter(None, [about.get("bandwidth_doubt", "")]), *_rounded(bench), *ratios(bench.cells)]
    return "\n".join([*head, "", table(bench.cells), *(f"- {line}" for line in said)])


def ratios(cells: Sequence[Cell]) -> Iterator[str]:
    """Say how each engine's rate compares with that of plain `generate`, or of the first one where that was not run.

    And how near its tokens come to the floor.
    """
    good = [cell for cell in cells if cell.total]
    base = next((cell.engine for cell in good if cell.engine == "generate"), good[0].engine if good else "")
    for first in good:
        if first.engine != base:
            continue
        for cell in good:
            if cell.engine != first.engine and cell.key[1:] == first.key[1:] and first.a_second:
                ratio = cell.a_second / first.a_second
                yield (
                    f"{cell.size}, {cell.at_once} at once: {cell.engine} answers {ratio:.2f} x as many questions a "
                    f"second as {first.engine}"
                )
    for cell in good:
        if cell.bunched > BUNCHED:
            yield (
                f"{_name(cell)}: {100 * cell.bunched:.0f} % of the tokens came in bursts, so times "
                "of first and further tokens say little; those of answers hold"
            )
        elif cell.token and cell.floor and cell.floor.token:
            ratio = cell.token.median / cell.floor.token
            if ratio < 1:
                yield (
                    f"{_name(cell)}: a token takes {ratio:.2f} x its floor, so that the floor is none: the memory gives"
                    " more than was measured; end other programs and measure again"
                )
            else:
                yield f"{_name(cell)}: a token takes {ratio:.1f} x its floor"


def _rounded(bench: Bench) -> Iterator[str]:
    """Say where a load had more questions than were asked for: fewer would not fill it."""
    wanted = bench.settings.get("questions")
    for at_once in dict.fromkeys(cell.at_once for cell in bench.cells if cell.questions == ROUNDS * cell.at_once):
        if wanted and wanted < ROUNDS * at_once:
            more = f"{ROUNDS * at_once} questions, not {wanted}"
            yield f"{at_once} at once: {more}, for a load has {ROUNDS} rounds at least"


def _row(cell: Cell) -> list[str]:
    floors = [f"{v:.2f}" for v in (cell.floor.first, cell.floor.token, cell.floor.total)] if cell.floor else ["-"] * 3
    joules = ", ".join(f"{value:.1f} {name}" for name, value in cell.joules.items()) or NOT_TOLD
    return [
        cell.engine, cell.size, str(cell.at_once), _times(cell.first), floors[0], _times(cell.token), floors[1],
        _times(cell.total), floors[2], f"{cell.tokens:.0f}", f"{cell.a_second:.2f}", joules, f"{cell.busy:.1f}",
    ]  # fmt: skip


def _times(found: Spread | None) -> str:
    return " / ".join(_short(v) for v in (found.median, found.p95, found.p99)) if found else "-"


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _name(cell: Cell) -> str:
    return f"{cell.engine}, {cell.size}, {cell.at_once} at once"


def _wrong(cell: Cell) -> str:
    if not cell.total:
        return f"not measured: {cell.wrong}"
    return f"{cell.failed} of {cell.questions} questions got no answer: {cell.wrong}"
