"""What a set is, in a file beside it: counts, filters, prompts, teacher, terms, and the SHA-256 of each other file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from egm_core.evaluate.samples.growth import digest
from egm_core.sample import SampleError, read_samples

MANIFEST = "manifest.json"
FORMAT = 1


def listed(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Give size and SHA-256 of files, and the number of records of those that have lines."""
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(names):
        file = folder / name
        found[name] = {"bytes": file.stat().st_size, "sha256": digest(file)}
        if file.suffix == ".jsonl":
            with file.open("rb") as lines:
                found[name]["records"] = sum(1 for line in lines if line.strip())
    return found


def write(folder: Path, about: Mapping[str, Any], names: Iterable[str]) -> Path:
    """Write the manifest of a folder's files; it appears when it is complete."""
    told = {"format": FORMAT, **about, "files": listed(folder, names)}
    told["sha256"] = own_digest(told)
    part = folder / f"{MANIFEST}.part"
    part.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, folder / MANIFEST)
    return folder / MANIFEST


def own_digest(told: Mapping[str, Any]) -> str:
    """Give the SHA-256 of what a manifest tells, whatever its spacing: filters, teacher and terms among it."""
    content = {name: part for name, part in told.items() if name != "sha256"}
    return sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def read(folder: Path) -> dict[str, Any]:
    """Read a folder's manifest; ValueError where there is none."""
    file = folder / MANIFEST
    if not file.is_file():
        raise ValueError(f"{folder} has no {MANIFEST}; name the folder of a set")
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        _check_form(told)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is no manifest that can be read ({error})") from error
    return dict(told)


def _check_form(told: Any) -> None:
    """Raise ValueError where a manifest, which anybody may have edited, is not of its form."""
    if not isinstance(told, dict):
        raise ValueError("it is no object of JSON")
    if told.get("format") != FORMAT:
        raise ValueError(f"its format is {told.get('format')!r}, and this version reads {FORMAT}")
    for part in ("files", "counts"):
        if not isinstance(told.get(part), dict):
            raise ValueError(f"its {part} are no object of JSON")
    for name in (*told["files"], str(told.get("samples_file", ""))):
        # A set that was sent by another must not lead out of its folder.
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"it names {name}, which is not in the folder")
    for name, wanted in told["files"].items():
        if not isinstance(wanted, dict) or not {"bytes", "sha256"} <= wanted.keys():
            raise ValueError(f"it does not tell the bytes and the sha256 of {name}")


def wrong(folder: Path) -> list[str]:
    """Compare a folder with its manifest, and say what differs; an empty list is a set that is whole."""
    told = read(folder)
    found = []
    if told.get("sha256") != own_digest(told):
        found.append(f"{MANIFEST} was changed: its sha256 is {own_digest(told)}, and it has {told.get('sha256')}")
    for name, wanted in told["files"].items():
        if not (folder / name).is_file():
            found.append(f"{name} is missing")
            continue
        is_there = listed(folder, [name])[name]
        found += [
            f"{name}: {what} is {is_there.get(what)}, and the manifest has {wanted.get(what)}"
            for what in ("bytes", "sha256", "records")
            if wanted.get(what) != is_there.get(what)
        ]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    found += [f"{name} is not in the manifest" for name in sorted(there - {MANIFEST} - told["files"].keys())]
    return found + _unread(folder, told)


def _unread(folder: Path, told: Mapping[str, Any]) -> list[str]:
    """Read the samples, and hold their counts against the manifest's."""
    file = folder / str(told.get("samples_file", ""))
    if not file.is_file():
        return ["the manifest names no file of samples"]
    try:
        samples, images = 0, set()
        for sample in read_samples(file):
            samples += 1
            images.add(sample.image)
    except SampleError as error:
        return [str(error)]
    counts = told.get("counts", {})
    return [
        f"{what}: {number} are there, and the manifest has {counts.get(what)}"
        for what, number in (("samples", samples), ("images", len(images)))
        if counts.get(what) != number
    ]
