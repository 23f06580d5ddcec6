"""Says before a server is started what it lacks here, and what share of memory it may take: pure functions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from egm_core.servers.machine import GIB, Machine, find, numbers, version_of
from egm_core.servers.named import CONTEXT, NamedServer

# What an engine needs besides its weights, in GiB: its own code on the GPU, a picture's tokens and their cache.
BESIDE = 2.0
# Of what is free: the rest is for what the driver does not tell, and on a robot for the robot.
OF_GPU, OF_UNIFIED = 0.95, 0.8
# Bytes for each parameter, by what a name says of it.
SMALLER = ((re.compile(r"fp8|int8|w8a8|q8", re.I), 1.0), (re.compile(r"fp4|int4|awq|gptq|q4|w4a16", re.I), 0.6))
WEIGHTS = ("*.safetensors", "*.gguf")


@dataclass(frozen=True)
class Found:
    """Where a server's program is (empty: nowhere), its version (empty: unknown) and the builds beside it.

    `sought` is the interpreter beside which it was looked for, empty where that was the PATH.
    """

    program: str = ""
    version: str = ""
    builds: tuple[str, ...] = ()
    sought: str = ""


def found(server: NamedServer, python: str = "") -> Found:
    """Look for a server's program beside an interpreter, or on the PATH."""
    start = server.start
    if start is None or not start.program:
        return Found()
    program = find(start.program, python)
    if not program:
        return Found(sought=python)
    builds = tuple(name for name in start.cpu_builds if version_of(program, name))
    version = version_of(program, start.distribution) if start.distribution else ""
    return Found(program, version or next((version_of(program, name) for name in builds), ""), builds)


def lacks(server: NamedServer, there: Found, machine: Machine, model: str, precision: str = "auto") -> list[str]:
    """Say in sentences what keeps a server from serving a model here, each with its remedy; none where nothing does."""
    start = server.start
    if start is None:
        return []
    if not start.program:
        return _imprecise(server, precision)
    if not there.program:
        where = f"beside engine_python {there.sought}" if there.sought else "on this machine"
        return [f"there is no program {start.program!r} {where}; {start.remedy}"]
    told = _imprecise(server, precision)
    if there.version and start.least and numbers(there.version) < start.least:
        least = ".".join(map(str, start.least))
        told.append(f"{server.title} {there.version} is too old, {least} or later is needed; {start.remedy}")
    if start.gpu and not machine.has_gpu and not there.builds:
        told.append(
            f"{server.title} needs a GPU, and none is seen here (nvidia-smi); engine:=egm or engine:=llamacpp run on"
            " a processor, and engine:=url asks a server elsewhere"
        )
    told += [wrong for wrong in (_unfit(server, model), *_memory(server, machine, model, precision)) if wrong]
    return told


def _imprecise(server: NamedServer, precision: str) -> list[str]:
    known = server.start.precisions if server.start else {}
    if precision in known:
        return []
    if len(known) > 1:
        return [f"{server.title} does not compute in {precision}; set engine_precision to one of {', '.join(known)}"]
    return [
        f"{server.title} takes its precision from the model, and {precision} cannot be asked for; name a model of that"
        " precision, and leave engine_precision at auto"
    ]


def _unfit(server: NamedServer, model: str) -> str:
    """Say why a server cannot load this kind of model."""
    loads = server.start.loads if server.start else "folder"
    folder = Path(model).expanduser().is_dir()
    if loads == "gguf" and folder:
        return (
            f"{server.title} loads a .gguf file, and {model} is a folder; name the file, or a hub name such as"
            " NAME-GGUF:Q8_0"
        )
    if loads == "name" and (folder or model.endswith(".gguf")):
        return (
            f"{server.title} serves models of its own store, and {model} is a path; give the name that"
            " `ollama list` shows"
        )
    if loads == "folder" and model.endswith(".gguf"):
        return f"{server.title} loads a model folder, and {model} is a GGUF file; engine:=llamacpp loads that"
    return ""


def _memory(server: NamedServer, machine: Machine, model: str, precision: str) -> list[str]:
    total, free = machine.room
    needed = weights(model, precision)
    if not needed or not total or (server.start is not None and server.start.loads == "name"):
        return []
    needed += BESIDE
    if free >= needed:
        return []
    where = "memory, which the GPU shares," if machine.unified else "the GPU's memory" if machine.gpus else "memory"
    return [
        f"{model} needs about {needed:.0f} GiB, and {free:.1f} of {total:.1f} GiB of {where} are free; end other"
        " programs, or take a smaller model or precision"
    ]


def weights(model: str, precision: str = "auto") -> float:
    """Give the size of a model's weights in GiB: of its files, else by its name; 0 where nothing tells."""
    path = Path(model).expanduser()
    files = [path] if path.is_file() else [file for kind in WEIGHTS for file in path.glob(kind)]
    if files:
        size = sum(file.stat().st_size for file in files) / GIB
        return size / 2 if precision == "fp8" else size
    named = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)[bB](?![a-zA-Z])", model.rsplit("/", 1)[-1].replace("_", "-"))
    if not named:
        return 0.0
    told = next((size for pattern, size in SMALLER if pattern.search(model)), 2.0)
    told = {"fp8": 1.0, "float32": 4.0}.get(precision, told)
    return float(named[1]) * 1e9 * told / GIB


def context(model: str) -> int:
    """Give the most tokens that a model is served with: as many as we ask for, or its own limit where that is less."""
    try:
        told = json.loads((Path(model).expanduser() / "config.json").read_text(encoding="utf-8"))
        told = told.get("text_config") or told.get("llm_config") or told
        limit = told.get("max_position_embeddings")
    except (OSError, ValueError, AttributeError):
        return CONTEXT
    return min(CONTEXT, limit) if isinstance(limit, int) and limit > 0 else CONTEXT


def share(server: NamedServer, machine: Machine, engines: int = 1) -> float:
    """Give the part of all memory that each of some engines may take of what is free now; 0: let it decide itself.

    An engine that takes nine tenths of all memory by itself would not start beside other programs, or would starve
    them where the GPU shares the processor's memory.
    """
    total, free = machine.room
    if server.start is None or server.start.share_of != "total" or not total or not machine.has_gpu or machine.other:
        return 0.0
    part = free * (OF_UNIFIED if machine.unified else OF_GPU) / total / engines
    # Rounded down: a hundredth too much keeps vLLM from starting.
    return max(0.05, int(100 * min(part, 0.95)) / 100)
