"""Sample records as verl reads them: a parquet file with one row per question.

A row has `data_source`, `prompt` (one user message that begins with `<image>`), `images` (one picture, as the bytes
of its file or as its path), `ability`, `reward_model` with the truth, and `extra_info` with what
`egm_core.reward.compute_score` and a reader want to know. Source: the RL data of the paper's release, and
verl 0.9.1, utils/dataset/rl_dataset.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from egm_core.families import Task
from egm_core.models.folder import IN_PATCHES, ModelInfo
from egm_core.pictures.reference import split
from egm_core.pictures.source import as_file
from egm_core.sample import Sample
from egm_core.thought_price import TOKENIZER
from egm_core.train.configuration import ConfigurationError
from egm_core.train.rl.config import PLACEHOLDERS
from egm_core.train.rl.questions import questions

DATA_SOURCE = ABILITY = "grounding"
ROWS, BYTES = 1024, 64 * 2**20
DIGITS = 6


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
    token_price: float = 0.0


def write_parquet(path: Path, samples: Iterable[Sample], asking: Asking) -> int:
    """Write the questions of samples as a parquet file for verl, and give their number.

    The samples are read one after the other. The file appears when it is complete. Raises ConfigurationError where
    nothing is left to ask.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    part = path.with_name(path.name + ".part")
    schema, count = _schema(pa, asking), 0
    with ParquetWriter(part, schema) as writer, tqdm(desc=f"writing {path.name}", unit="row", disable=None) as bar:
        for batch in _batches(_rows(samples, asking)):
            writer.write_table(pa.Table.from_pylist(batch, schema))
            count += len(batch)
            bar.update(len(batch))
    if not count:
        raise ConfigurationError("the samples hold no question for these tasks; check `data` and `tasks`")
    part.replace(path)
    return count


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
    # Without a price the rows are those of the release.
    extra += [("token_price", pa.float64()), ("tokenizer", text)] if asking.token_price else []
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


def _rows(samples: Iterable[Sample], asking: Asking) -> Iterator[dict[str, Any]]:
    index = 0
    for sample in samples:
        for question in questions(
            [sample], asking.info.speaker, list(asking.tasks), asking.official_pixels, asking.info.prompt
        ):
            yield _row(sample, question, index, asking)
            index += 1


def _row(sample: Sample, question: dict[str, Any], index: int, asking: Asking) -> dict[str, Any]:
    prompt = question["prompt"][0]["content"]
    if any(word in prompt for word in PLACEHOLDERS):
        raise ConfigurationError(
            f"{prompt!r} (of {sample.image}) holds one of {', '.join(PLACEHOLDERS)}, where verl would put a picture; "
            "take it out of the expression"
        )
    picture: dict[str, Any] = _embedded(sample) if asking.embed else {"image": _path(sample)}
    budget = _max_pixels(asking.info)
    return {
        "data_source": DATA_SOURCE,
        "prompt": [{"role": "user", "content": f"<image>{prompt}"}],
        "images": [{**picture, "max_pixels": budget} if budget else picture],
        "ability": ABILITY,
        # An absent object's truth is the empty list.
        "reward_model": {
            "style": "rule",
            "ground_truth": json.dumps([round(value, DIGITS) for value in question["truth"] or []]),
        },
        "extra_info": {
            "split": asking.split,
            "index": index,
            "task": question["task"],
            "height": sample.height,
            "width": sample.width,
            "question": sample.sent,
            "family": asking.info.family,
            "success_weight": asking.success_weight,
            "official_pixels": asking.official_pixels,
            **_price(asking),
        },
    }


def _price(asking: Asking) -> dict[str, Any]:
    """Give what a price needs: verl hands the reward an answer's text, whose tokens the model's tokenizer tells."""
    if not asking.token_price:
        return {}
    folder = asking.info.path
    if folder is None or not (folder / TOKENIZER).is_file():
        raise ConfigurationError(
            f"engine=verl: token_price counts tokens by {TOKENIZER}, which {folder or 'a model without a folder'} "
            "lacks; save it with transformers' fast tokenizer, or use engine=trl",
            "token_price",
        )
    return {"token_price": asking.token_price, "tokenizer": str(folder.absolute())}


def _embedded(sample: Sample) -> dict[str, bytes]:
    return {"bytes": as_file(sample.picture)}


def _path(sample: Sample) -> str:
    """Give a picture's path; ConfigurationError where it is no file of its own, which verl could not read."""
    if split(sample.picture)[1] or sample.mirrored:
        raise ConfigurationError(
            f"{sample.picture} is no picture file, and verl reads nothing else; set verl.pictures=embed"
        )
    return os.path.abspath(sample.image)


def _max_pixels(info: ModelInfo) -> int | None:
    """Give the budget that verl's loader is to resize to; InternVL cuts tiles from the whole picture instead."""
    return info.max_pixels if info.family in IN_PATCHES else None


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
