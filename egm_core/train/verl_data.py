"""Sample records as verl reads them: a parquet file with one row per question.

A row has `data_source`, `prompt` (one user message that begins with `<image>`), `images` (one picture, as the bytes
of its file or as its path), `ability`, `reward_model` with the truth, and `extra_info` with what
`egm_core.reward.compute_score` and a reader want to know. Source: the RL data of the paper's release, and
verl 0.9.1, utils/dataset/rl_dataset.py.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from egm_core.boxes import to_relative
from egm_core.families import Task
from egm_core.model_folder import ModelInfo
from egm_core.sample import Sample
from egm_core.train.configuration import ConfigurationError

DATA_SOURCE = ABILITY = "grounding"
PLACEHOLDERS = ("<image>", "<video>", "<audio>")
ROWS, BYTES = 1024, 64 * 2**20
SHOWN = 5
UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class Asking:
    """What stands in every row beside the sample: the model asked, its tasks, and how answers are rewarded.

    `split` is "train" or "test"; `embed` puts the pictures' bytes into the file, else it holds their absolute
    paths, which every machine of the cluster must be able to read.
    """

    info: ModelInfo
    tasks: tuple[Task, ...]
    split: str = "train"
    embed: bool = True
    success_weight: float = 0.5
    official_pixels: bool = False


@dataclass
class Faults:
    """The pictures that can't be used, with what is wrong with each; every picture is read once."""

    found: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    rows: int = 0

    def holds(self, sample: Sample) -> bool:
        """Read a sample's picture; tells whether it can't be used."""
        if sample.image not in self.found and sample.image not in self.sizes:
            try:
                self.sizes[sample.image] = picture_size(Path(sample.image))
            except ValueError as error:
                self.found[sample.image] = str(error)
        size = self.sizes.get(sample.image, (sample.width, sample.height))
        if size != (sample.width, sample.height):
            self.found[sample.image] = f"is {size[0]} x {size[1]}, and its record says {sample.width} x {sample.height}"
        return sample.image in self.found


def picture_size(path: Path) -> tuple[int, int]:
    """Decode a picture to its end and give (width, height); ValueError says what is wrong with the file."""
    if not path.is_file():
        raise ValueError("is missing")
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture.size
    except UNDECODABLE as error:
        raise ValueError(f"can't be decoded ({error})") from error


def write_parquet(path: Path, samples: Iterable[Sample], asking: Asking, missing_share: float = 0.01) -> int:
    """Write the questions of samples as a parquet file for verl, and give their number.

    The samples are read one after the other. The file appears when it is complete. Pictures that are missing,
    can't be decoded, or are not of the size that their record says, are left out and listed in `<name>.faults.txt`
    beside it; where they make more than `missing_share` of the questions, ConfigurationError and no file.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    part, listing = path.with_name(path.name + ".part"), path.with_name(path.stem + ".faults.txt")
    schema, faults, count = _schema(pa, asking), Faults(), 0
    with ParquetWriter(part, schema) as writer, tqdm(desc=f"writing {path.name}", unit="row", disable=None) as bar:
        for batch in _batches(_rows(samples, asking, faults)):
            writer.write_table(pa.Table.from_pylist(batch, schema))
            count += len(batch)
            bar.update(len(batch))
    listing.unlink(missing_ok=True)
    if faults.found:
        listing.write_text("".join(f"{image}: {fault}\n" for image, fault in faults.found.items()))
    if faults.rows > missing_share * (count + faults.rows) or not count:
        part.unlink()
        raise ConfigurationError(_refusal(faults, count, missing_share, listing))
    part.replace(path)
    return count


def _refusal(faults: Faults, count: int, missing_share: float, listing: Path) -> str:
    if not faults.rows:
        return "the samples hold no question for these tasks; check `data` and `tasks`"
    shown = "; ".join(f"{image} {fault}" for image, fault in list(faults.found.items())[:SHOWN])
    return (
        f"{faults.rows} of {count + faults.rows} questions have pictures that can't be used, more than the share "
        f"missing_share={missing_share:g}: {shown}; all are listed in {listing}. Mend them, or raise missing_share"
    )


def _schema(pa: Any, asking: Asking) -> Any:
    text, whole = pa.string(), pa.int64()
    message = pa.struct([("role", text), ("content", text)])
    picture = [("bytes", pa.binary())] if asking.embed else [("image", text)]
    picture += [("max_pixels", whole)] if _max_pixels(asking.info) else []
    extra = [
        ("split", text),
        ("index", whole),
        ("task", text),
        ("height", whole),
        ("width", whole),
        ("question", text),
        ("family", text),
        ("success_weight", pa.float64()),
        ("official_pixels", pa.bool_()),
    ]
    return pa.schema(
        [
            ("data_source", text),
            ("prompt", pa.list_(message)),
            ("images", pa.list_(pa.struct(picture))),
            ("ability", text),
            ("reward_model", pa.struct([("style", text), ("ground_truth", text)])),
            ("extra_info", pa.struct(extra)),
        ]
    )


def _rows(samples: Iterable[Sample], asking: Asking, faults: Faults) -> Iterator[dict[str, Any]]:
    index = 0
    for sample in samples:
        asked = [task for task in asking.tasks if sample.asks(task)]
        if asked and faults.holds(sample):
            faults.rows += len(asked)
            continue
        for task in asked:
            yield _row(sample, task, index, asking)
            index += 1


def _row(sample: Sample, task: Task, index: int, asking: Asking) -> dict[str, Any]:
    prompt = asking.info.prompt(sample.sent, task)
    if any(word in prompt for word in PLACEHOLDERS):
        raise ConfigurationError(
            f"{prompt!r} (of {sample.image}) holds one of {', '.join(PLACEHOLDERS)}, where verl would put a picture; "
            "take it out of the expression"
        )
    picture: dict[str, Any] = (
        {"bytes": Path(sample.image).read_bytes()} if asking.embed else {"image": str(Path(sample.image).absolute())}
    )
    budget = _max_pixels(asking.info)
    return {
        "data_source": DATA_SOURCE,
        "prompt": [{"role": "user", "content": f"<image>{prompt}"}],
        "images": [{**picture, "max_pixels": budget} if budget else picture],
        "ability": ABILITY,
        "reward_model": {"style": "rule", "ground_truth": truth_text(sample, task, asking.official_pixels)},
        "extra_info": {
            "split": asking.split,
            "index": index,
            "task": task,
            "height": sample.height,
            "width": sample.width,
            "question": sample.sent,
            "family": asking.info.family,
            "success_weight": asking.success_weight,
            "official_pixels": asking.official_pixels,
        },
    }


def truth_text(sample: Sample, task: Task, whole: bool = False) -> str:
    """Give a sample's truth as verl stores it: JSON in thousandths of the picture, and "[]" for an absent object.

    `whole` rounds to whole numbers, as in the paper's release.
    """
    box = sample.truth(task)
    if box is None:
        return "[]"
    return json.dumps([round(v) if whole else round(v, 3) for v in to_relative(box, sample.width, sample.height)])


def _max_pixels(info: ModelInfo) -> int | None:
    """Give the budget that verl's loader is to resize to; InternVL cuts tiles from the whole picture instead."""
    return info.max_pixels if info.family == "qwen3_vl" else None


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Group rows so that a batch holds neither too many nor too many bytes of pictures."""
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row["images"][0].get("bytes", b""))
        if len(batch) >= ROWS or size >= BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
