"""Model folders on this machine: the embedded one, those below ./models, and the hub's cache."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

EMBEDDED = "egm_tiny"


def embedded() -> bool:
    """Tell whether this installation has the weights of the embedded model."""
    folder = Path(__file__).resolve().parents[1] / "weights" / EMBEDDED
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def folders(environment: Mapping[str, str], here: Path) -> tuple[str, ...]:
    """Name the vision-language models that lie below ./models, and in the hub's cache."""
    near = [folder for folder in _below(here / "models") if _sees(folder)]
    hub = _below(_cache(environment))
    cached = {_hub_name(folder) for folder in hub if any(map(_sees, _below(folder / "snapshots")))}
    return (*map(str, near), *sorted(cached - {""}))


def _cache(environment: Mapping[str, str]) -> Path:
    home = environment.get("HF_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".cache/huggingface")
    return Path(environment.get("HF_HUB_CACHE") or Path(home) / "hub")


def _below(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError:
        return


def _hub_name(folder: Path) -> str:
    kind, *parts = folder.name.split("--")
    return "/".join(parts) if kind == "models" else ""


def _sees(folder: Path) -> bool:
    """Tell whether a folder holds a model that takes pictures."""
    try:
        return "vision_config" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False
