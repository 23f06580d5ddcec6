"""`egm data decontaminate A --against B`: finds and leaves out samples whose picture is in other files."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from egm_core import notes
from egm_core.arguments import whole
from egm_core.data.decontaminate import THRESHOLD, Match, Pictures, by_id, by_look, looks
from egm_core.data.readers.kind import PLACES, DataError
from egm_core.sample import Sample, read_samples, write_samples

_log = logging.getLogger("egm.data")


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "decontaminate",
        help="find samples whose image is in other files, and leave them out",
        description="Find samples whose image is in other files: by its id and size, and by its look, mirrored or "
        "not. A look is 64 bits of the lowest frequencies.",
        example="train.jsonl --against val.jsonl testA.jsonl --out clean.jsonl",
    )
    own.add_argument("file", type=Path, help="sample file to clean, .jsonl or .parquet")
    own.add_argument("--against", type=Path, nargs="+", required=True, help="sample files that must not be met")
    own.add_argument("--out", type=Path, help="write the samples whose image was not met (default: count only)")
    own.add_argument(
        "--threshold", type=whole(0, 32), default=THRESHOLD, help="bits of 64 in which equal looks may differ"
    )
    own.add_argument("--ids-only", action="store_true", help="compare ids alone; no image is read")
    own.add_argument("--list", type=Path, help="write every match as a line of text: image, other image, why")
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    for other in options.against:
        if other.resolve() == options.file.resolve():
            raise DataError(f"{other} is the file to clean; name other files with --against")
    ours = Pictures.of(_samples(options.file))
    theirs = Pictures.of(chain.from_iterable(map(_samples, options.against)))
    found = by_id(ours, theirs)
    alike: dict[str, Match] = {}
    if not options.ids_only:
        unread: list[str] = []
        left = [picture for picture in ours.keys if picture not in found]
        mine = looks(tqdm(left, unit="picture", desc="looking", disable=None), unread)
        others = looks(tqdm(theirs.keys, unit="picture", desc="looking at others", disable=None), unread, mirrored=True)
        alike = by_look(mine, others, options.threshold)
        for line in unread[:PLACES]:
            _log.warning("%s", line)
        if unread:
            _log.warning("%d pictures cannot be read: they were compared by their ids alone", len(unread))
    _tell(ours, theirs, found, alike, options)
    met = found | alike
    if options.list:
        options.list.write_text("".join(f"{m.picture}\t{m.other}\t{m.why}\n" for m in met.values()), encoding="utf-8")
    samples = sum(1 for sample in read_samples(options.file) if sample.image in met)
    if not options.out:
        print(f"{samples:,} samples show a picture that is met; --out writes the others")
        return
    if len(met) == len(ours.keys):
        raise DataError("every picture is met, so nothing would be left; see --list")
    count = write_samples(options.out, (one for one in read_samples(options.file) if one.image not in met))
    print(f"{count:,} samples -> {options.out}; {samples:,} left out")


def _samples(path: Path) -> Iterator[Sample]:
    """Read a file's samples; DataError where it has none: a file that was lost would clean nothing."""
    empty = True
    for sample in read_samples(path):
        empty = False
        yield sample
    if empty:
        raise DataError(f"{path}: the file holds no sample")


def _tell(
    ours: Pictures, theirs: Pictures, found: dict[str, Match], alike: dict[str, Match], options: argparse.Namespace
) -> None:
    print(f"{len(ours.keys):,} pictures against {len(theirs.keys):,}")
    parts = {"by id and size, or as one file": found}
    if not options.ids_only:
        parts[f"by look, at most {options.threshold} of 64 bits apart, mirrored or not"] = alike
    for how, matches in parts.items():
        print(f"{len(matches):,} met {how}")
        for match in list(matches.values())[:PLACES]:
            print(f"  {match.picture} = {match.other} ({match.why})")
        if len(matches) > PLACES:
            print("  … (--list writes all)")
