"""What a writer is: a kind of files that samples can be written as, and where it puts their pictures."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from egm_core.data.readers.kind import Place, Tally
from egm_core.data.readers.shared.pictures import size_of
from egm_core.pictures.file import JPEG
from egm_core.pictures.reference import is_url, split
from egm_core.pictures.source import as_file, exists
from egm_core.sample import Sample

PICTURES = "pictures"


def picture_of(sample: Sample) -> bytes:
    """Give the bytes of a sample's picture; DataError where they are no picture, or one of another size than told."""
    data, place = as_file(sample.picture), Place(sample.picture)
    found = size_of(data, place, "is no picture that can be written")
    if found != (sample.width, sample.height):
        told = f"{sample.width} x {sample.height}"
        raise place.error(
            f"is {found[0]} x {found[1]}, and its record says {told}; name the right picture, or mend the size"
        )
    return data


@dataclass(frozen=True)
class Writer:
    """A kind of files: what it is, what its command takes, and the function that writes samples to a path.

    `write` gives the number of samples that it wrote, and tells the tally what the kind has no place for. With `folder`
    it writes a folder, else a file; `files` are the patterns of what it writes there, or what goes with it. `keeps`
    names the fields of samples that have a place there, beside picture, expression and visible box.
    """

    name: str
    summary: str
    write: Callable[[Iterable[Sample], Path, argparse.Namespace, Tally], int]
    example: str
    arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    keeps: tuple[str, ...] = ()
    folder: bool = False
    files: tuple[str, ...] = ()


@dataclass
class Placed:
    """Names pictures for files in a folder: those that are files stay where they are, others are written below it.

    What lies in an archive, a table or a video, or is to be mirrored, becomes a file; with `copy` every picture does.
    """

    folder: Path
    copy: bool = False
    _known: dict[str, str] = field(default_factory=dict)

    def name(self, sample: Sample) -> str:
        """Give a picture's path, relative to the folder where it lies below it."""
        known = self._known.get(sample.picture)
        if known is None:
            known = self._known[sample.picture] = self._place(sample)
        return known

    def _place(self, sample: Sample) -> str:
        if not self.copy and not sample.mirrored and not split(sample.image)[1] and not is_url(sample.image):
            file, folder = Path(sample.image).absolute(), self.folder.absolute()
            return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)
        data = picture_of(sample)
        stem = re.sub(r"[^A-Za-z0-9_+-]+", "-", Path(sample.image.split("::")[-1]).stem).strip("-")[-60:]
        ending = ".jpg" if data.startswith(JPEG) else ".png"
        (self.folder / PICTURES).mkdir(parents=True, exist_ok=True)
        # Another file of samples may have put its pictures there, whose names are made of numbers, too.
        for number in count(len(self._known)):
            path = self.folder / PICTURES / f"{stem}-{number:06d}{ending}"
            if not path.exists() or path.read_bytes() == data:
                break
        path.write_bytes(data)
        return f"{PICTURES}/{path.name}"


# What a sample may have beside its picture, expression and visible box, in words.
BESIDE = {
    "amodal_bbox": "amodal boxes",
    "visible_fraction": "visible shares",
    "category": "categories",
    "reasoning": "reasoning",
    "amodal_reasoning": "amodal reasoning",
    "task": "tasks",
    "occluders": "names of what hides an object",
    "occluder_boxes": "boxes of what hides an object",
    "depth_order": "places in depth",
    "source": "names of data sets",
    "split": "splits",
    "licence": "licences",
    "image_id": "image ids",
    "annotation_id": "annotation ids",
    "ref_id": "ref ids",
    "sentence_id": "sentence ids",
    "world": "kinds of worlds",
    "expression_kind": "kinds of expressions",
}


def without_place(samples: Iterable[Sample], keeps: tuple[str, ...], tally: Tally) -> Iterator[Sample]:
    """Pass samples on, and say at their end what they have that a kind of file has no place for."""
    lost = {name: words for name, words in BESIDE.items() if name not in keeps}
    found = dict.fromkeys(lost, 0)
    for sample in samples:
        for name in lost:
            found[name] += getattr(sample, name) not in ("", None, ())
        yield sample
    told = ", ".join(f"{lost[name]} ({count:,})" for name, count in found.items() if count)
    if told:
        tally.note(f"not written, for this kind of file has no place for them: {told}")


def looked_for(samples: Iterable[Sample], tally: Tally) -> Iterator[Sample]:
    """Pass samples on, and note which pictures are not there: some kinds of files only name them."""
    known: set[str] = set()
    for sample in samples:
        if sample.image not in known:
            known.add(sample.image)
            if not is_url(sample.image) and not exists(sample.image):
                tally.missing(sample.image)
        yield sample


def add_copy(parser: argparse.ArgumentParser) -> None:
    """Give a parser the option that copies pictures."""
    parser.add_argument("--copy", action="store_true", help=f"copy every image into `{PICTURES}`, beside the file")


def seen(samples: Iterable[Sample], tally: Tally) -> Iterator[Sample]:
    """Give the samples that have a visible box; others have no place in most kinds of files."""
    for number, sample in enumerate(samples, 1):
        if sample.bbox is None:
            hidden = "wholly hidden objects" if sample.hidden else "objects whose visible box is not known"
            what = "absent objects" if sample.absent else hidden
            tally.drop(f"{what}: this kind of file has none", f"sample {number}")
            continue
        yield sample
