"""The pictures of a run's samples: those that are missing or corrupt are listed, and too many stop the run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from egm_core.train.configuration import ConfigurationError

BAD = "bad_images.jsonl"
CHECKED = "checked_images.json"
# A JPEG read at an eighth of its size still shows that bytes are missing, and takes a fraction of the time.
DRAFT = 8


def bad_images(folder: Path, images: Iterable[str], missing_share: float) -> dict[str, str]:
    """Find the image files that are missing or can't be decoded, and give the reason of each.

    They are listed in the run's folder as `bad_images.jsonl`. What was checked is remembered by path, size and
    time, so that a resumed run need not read all again. Raises ConfigurationError where the share of bad ones is
    above `missing_share`; the message names some.
    """
    paths = list(dict.fromkeys(images))
    stamp = _stamp(paths)
    bad = _remembered(folder / CHECKED, stamp)
    if bad is None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            bad = {p: reason for p, reason in zip(paths, pool.map(reason_against, paths), strict=True) if reason}
        (folder / CHECKED).write_text(json.dumps({"stamp": stamp, "bad": bad}), encoding="utf-8")
    lines = [json.dumps({"image": path, "reason": reason}, ensure_ascii=False) + "\n" for path, reason in bad.items()]
    (folder / BAD).write_text("".join(lines), encoding="utf-8")
    if len(bad) > missing_share * len(paths):
        first = "; ".join(f"{path} ({reason})" for path, reason in islice(bad.items(), 3))
        raise ConfigurationError(
            f"{len(bad)} of {len(paths)} images can't be used, such as {first}; all are listed in {folder / BAD}. "
            f"Bring them, or allow more than missing_share={missing_share:g}"
        )
    return bad


def reason_against(path: str) -> str:
    """Say why an image file can't be used: missing, or corrupt; empty where it can."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.draft("RGB", (picture.width // DRAFT, picture.height // DRAFT))
            picture.load()
    except FileNotFoundError:
        return "missing"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"corrupt: {error}"
    return ""


def _stamp(paths: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = os.stat(path)
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{path}\0missing\n".encode())
    return digest.hexdigest()


def _remembered(file: Path, stamp: str) -> dict[str, str] | None:
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
        return dict(before["bad"]) if before["stamp"] == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
