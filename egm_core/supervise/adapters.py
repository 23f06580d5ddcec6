"""LoRA adapters beside a model: what a folder in PEFT's format says of itself, before an engine is started with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from egm_core.families import Task
from egm_core.servers.named import Adapter

FILE, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def read(adapters: Mapping[Task, str]) -> tuple[Adapter, ...]:
    """Read the folders of adapters, each served by the name of its task; ValueError says what is wrong with one."""
    return tuple(_read(task, Path(folder).expanduser()) for task, folder in adapters.items())


def _read(task: Task, folder: Path) -> Adapter:
    about = f"{task}_adapter: {folder}"
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"{about} is no adapter, for it has no {FILE}; name a folder that PEFT's save_pretrained wrote"
        ) from error
    except ValueError as error:
        raise ValueError(f"{about}: its {FILE} is no JSON ({error}); save the adapter anew") from error
    rank = told.get("r") if isinstance(told, dict) else None
    if not isinstance(rank, int) or rank < 1 or str(told.get("peft_type")).upper() != "LORA":
        raise ValueError(f"{about} is no LoRA adapter: its {FILE} must have peft_type LORA and a rank r")
    if not (folder / WEIGHTS).is_file():
        raise ValueError(f"{about} has no {WEIGHTS}; save the adapter as safetensors")
    return Adapter(task, str(folder.absolute()), rank)
