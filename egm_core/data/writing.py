"""Writes sample files as the field's files, and says what these have no place for."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path

from tqdm import tqdm

from egm_core.data.overwrite import refuse
from egm_core.data.readers.kind import DataError, Tally
from egm_core.data.writers import coco, coco_amodal, internvl, lmms, refer, vlmevalkit
from egm_core.data.writers.writer import Writer, looked_for, without_place
from egm_core.sample import read_samples
from egm_core.sample.whole import written

WRITERS: tuple[Writer, ...] = (
    refer.WRITER,
    internvl.WRITER,
    vlmevalkit.WRITER,
    lmms.WRITER,
    coco.WRITER,
    coco_amodal.WRITER,
)


def writers() -> dict[str, Writer]:
    """Give the writers by name."""
    return {one.name: one for one in WRITERS}


def write(writer: Writer, file: Path, out: Path, options: argparse.Namespace, tally: Tally) -> int:
    """Write the samples of a file and give their number; DataError where none has a place, or files are there."""
    refuse([found for one in writer.files for found in sorted(out.glob(one))] if writer.folder else [out],
           options.overwrite)  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    with nullcontext(out) if writer.folder else written(out) as part:
        with tqdm(read_samples(file), unit="sample", desc=f"writing {writer.name}", disable=None) as bar:
            count = writer.write(looked_for(without_place(bar, writer.keeps, tally), tally), part, options, tally)
        if not count:
            raise DataError(f"{file}: none of its samples has a place in this kind of file")
    return count
