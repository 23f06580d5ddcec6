"""The parquet files of lmms-lab: RefCOCO, RefCOCO+ and RefCOCOg with a row for each reference, pictures included.

Their `val` (of RefCOCO and RefCOCOg) and RefCOCO's `test` hold references of Google's partition, many of which are in
the training split of the partition that everybody reports. With a file of REFER's references only those of its split
are taken; without one a warning says what the rows are.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.referring import refer
from egm_core.data.readers.shared import fields, tables
from egm_core.data.readers.shared.called import SET, SPLIT, Chosen
from egm_core.data.readers.shared.pictures import Pictures, coco_id
from egm_core.data.readers.shared.splits import LICENCE, licence_of, told
from egm_core.sample import Sample

# The rows of the published files, and those of them that are of the partition that is reported.
MERGED = {("RefCOCO", "val"): (8_811, 3_811), ("RefCOCO", "test"): (5_000, 0), ("RefCOCOg", "val"): (7_573, 2_573)}
_SPLIT = re.compile(r"(train|val|test[AB]?)(?![A-Za-z])")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="parquet files, one or more of each split")
    parser.add_argument(
        "--refs", type=Path, help="REFER's refs(unc).p or refs(umd).p: only references of its split are taken"
    )
    parser.add_argument("--source", default="", help="name of the data set (default: what the files' folder tells)")
    parser.add_argument("--split", default="", help="name of the split (default: what the files' names tell)")


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the files; each file's own name and folder tell its split and data set."""
    wanted = _Wanted(list(refer.read_refs(options.refs))) if options.refs else None
    warned = set()
    pictures: dict[Path, Pictures] = {}
    for path in options.file:
        # Shards of one folder may share pictures.
        own = pictures.setdefault(path.parent, Pictures(path.parent))
        chosen = (
            Chosen(SET, "--source", options.source, _source(path), str(path)),
            Chosen(SPLIT, "--split", options.split, _split(path), str(path)),
        )
        named = chosen[0].take(), chosen[1].take()
        for one in chosen:
            one.tell(tally)
        if wanted is None and named not in warned:
            warned.add(named)
            _warn(*named, tally)
        elif wanted and not named[1]:
            raise Place(str(path)).error("the file's name tells no split; name it with --split")
        for place, number, record in tables.rows(path, without=("segmentation",)):
            yield from _row(record, place, number, named, wanted, own, tally)


def _source(path: Path) -> str:
    return next(filter(None, (told(part)[0] for part in path.parts[::-1])), "")


def _split(path: Path) -> str:
    found = _SPLIT.match(path.stem)
    return found[1] if found else told(path.stem)[1]


class _Wanted:
    """REFER's references by picture and sentence; each is taken once."""

    def __init__(self, refs: Sequence[refer.Ref]) -> None:
        self.refs = refs
        self._by_sentence: dict[tuple[str, str], list[refer.Ref]] = defaultdict(list)
        for ref in refs:
            for _, sent in ref.sentences:
                self._by_sentence[str(ref.image_id), _plain(sent)].append(ref)
        self._taken: set[int] = set()

    def take(self, image_id: str, sents: Sequence[str], split: str, place: Place, tally: Tally) -> refer.Ref | None:
        """Give the reference that a row is, if it is of the split and was not given before."""
        votes: dict[int, tuple[int, refer.Ref]] = {}
        for sent in sents:
            for ref in self._by_sentence.get((image_id, _plain(sent)), ()):
                votes[ref.ref_id] = (votes.get(ref.ref_id, (0, ref))[0] + 1, ref)
        if not votes:
            tally.drop("rows that the references file lacks", place)
            return None
        ref = max(votes.values(), key=lambda vote: vote[0])[1]
        if not refer.matches(ref.split, split):
            tally.drop(f"rows of {ref.split} by the references file, not of {split}", place)
            return None
        if ref.ref_id in self._taken:
            tally.drop("rows of a reference that stands there twice", place)
            return None
        self._taken.add(ref.ref_id)
        return ref


def _row(
    record: dict[str, Any],
    place: Place,
    number: int,
    named: tuple[str, str],
    wanted: _Wanted | None,
    pictures: Pictures,
    tally: Tally,
) -> Iterator[Sample]:
    sents = fields.listed(record, "answer", place)
    if not all(isinstance(sent, str) and fields.writable(sent) for sent in sents):
        raise place.wrong("answer", sents, "a list of texts must stand here")
    name = fields.text(record, "file_name", place)
    image_id = coco_id(name)
    ref = wanted.take(image_id, sents, named[1], place, tally) if wanted else None
    if wanted and ref is None:
        return
    image, width, height = tables.picture_and_size(record, "image", place, number, pictures)
    box = fields.xywh(record, "bbox", place)
    if why := fields.unusable(box, width, height):
        tally.drop(f"rows where {why}", place, wrong=True)
        return
    ids = {} if ref is None else {_plain(sent): sentence_id for sentence_id, sent in ref.sentences}
    for at, sent in enumerate(sents):
        if not sent.strip():
            tally.drop("sentences without a word", place)
            continue
        yield Sample(
            image=image,
            sent=" ".join(sent.split()),
            bbox=box,
            amodal_bbox=None,
            visible_fraction=None,
            height=height,
            width=width,
            source=named[0] or "lmms-lab",
            split=named[1],
            image_id=image_id,
            annotation_id="" if ref is None else str(ref.annotation_id),
            ref_id=fields.identity(record, "question_id", place) or str(number) if ref is None else str(ref.ref_id),
            sentence_id=ids.get(_plain(sent), str(at)),
            licence=licence_of(named[0]),
        )


def _warn(source: str, split: str, tally: Tally) -> None:
    rows, own = MERGED.get((source, split), (0, 0))
    if rows:
        tally.note(
            f"WARNING: {source} {split} of lmms-lab is not the paper's: of {rows:,} rows {own:,} are of its partition, "
            "the others Google's, and some of those are training there. Give --refs: refs(unc).p, for RefCOCOg "
            "refs(umd).p"
        )
    elif not (source and split):
        tally.note(
            "WARNING: the files' names do not tell data set and split. val of RefCOCO and RefCOCOg, and RefCOCO's "
            "test, are not the paper's there; give --refs, or --source and --split"
        )


def _plain(sent: str) -> str:
    return " ".join(sent.lower().split())


KIND = Kind(
    "lmms",
    "lmms-lab's parquet files of RefCOCO, RefCOCO+ and RefCOCOg: a row is a reference with all its sentences",
    LICENCE,
    arguments,
    read,
    "--file RefCOCO/data/val-00000-of-00005.parquet --refs 'refcoco/refs(unc).p'",
)
