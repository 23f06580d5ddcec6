"""`egm data stats FILE`: what a sample file holds, in numbers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from egm_core import notes
from egm_core.data.convert import licence_words
from egm_core.data.readers.kind import DataError
from egm_core.data.stats import Stats, bars, gathered, histograms, kinds, table
from egm_core.pictures.draw import check_writable
from egm_core.sample import read_samples


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "stats",
        help="count what a sample file holds",
        description="Count what a sample file holds: the columns of the paper's Table 3 for each data set and split, "
        "and histograms. The average number of boxes is samples divided by images.",
        example="train.jsonl --png stats.png",
    )
    own.add_argument("file", type=Path, help="sample file, .jsonl or .parquet")
    own.add_argument("--png", type=Path, help="draw the histograms here, too")
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.png:
        try:
            check_writable(options.png)
        except ValueError as error:
            raise DataError(str(error)) from error
    with tqdm(read_samples(options.file), unit="sample", desc="counting", disable=None) as samples:
        found = gathered(samples)
    whole = found["all"]
    if not whole.samples:
        raise DataError(f"{options.file}: the file holds no sample")
    print(table(found))
    print(f"\n{kinds(whole)}")
    print("\n".join(licence_words(whole.licences)))
    for title, bins in histograms(whole).items():
        print(f"\n{bars(title, bins)}")
    if options.png:
        _draw(whole, options.png)
        print(f"\nhistograms -> {options.png}")


def _draw(stats: Stats, path: Path) -> None:
    from matplotlib.figure import Figure

    found = histograms(stats)
    figure = Figure(figsize=(4.2 * len(found), 3.4), layout="constrained")
    for axes, (title, bins) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
        axes.barh([name for name, _ in bins], [count for _, count in bins], color="#2b7a4b")
        axes.invert_yaxis()
        axes.set_title(title, fontsize=9)
        axes.tick_params(labelsize=8)
    figure.savefig(path, dpi=120)
