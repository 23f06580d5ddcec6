"""What of a machine matters to an engine: its GPUs, the memory that is free now, programs and their versions."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
# nvidia-smi takes a second or two; one that hangs must not keep a node from starting.
PATIENCE = 10.0
# A Jetson's GPU has no nvidia-smi on older systems; ROCm's has another driver.
JETSON_NODES = ("/dev/nvhost-gpu", "/dev/nvmap", "/dev/nvgpu")
OTHER_NODES = ("/dev/kfd",)
_QUERY = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name, its memory and what is free of it in GiB (0: shared with the processor, or unknown)."""

    name: str
    memory: float
    free: float = 0.0


@dataclass(frozen=True)
class Machine:
    """GPUs, and the memory of the processor: all of it, and what programs can have now, in GiB (0: unknown).

    `jetson` says that a GPU is there that nvidia-smi need not tell of, `other` that one of another maker is.
    """

    gpus: tuple[Gpu, ...] = ()
    memory: float = 0.0
    available: float = 0.0
    jetson: bool = False
    other: bool = False

    @property
    def has_gpu(self) -> bool:
        """Tell whether there is a GPU of any kind."""
        return bool(self.gpus) or self.jetson or self.other

    @property
    def unified(self) -> bool:
        """Tell whether the GPU works in the processor's memory, as on Jetson Thor, Jetson Orin and DGX Spark."""
        return self.jetson or (bool(self.gpus) and not any(gpu.memory for gpu in self.gpus))

    @property
    def room(self) -> tuple[float, float]:
        """Give all memory that an engine's model may lie in, and what is free of it, in GiB."""
        if self.gpus and not self.unified:
            first = self.gpus[0]
            return first.memory, first.free
        return self.memory, self.available


def look(environment: Mapping[str, str] = os.environ) -> Machine:
    """Look at this machine; takes a second at most. Of several GPUs only those that an engine would see count."""
    total, available = memory()
    return Machine(
        visible(gpus(), environment.get("CUDA_VISIBLE_DEVICES")),
        total,
        available,
        any(Path(node).exists() for node in JETSON_NODES),
        any(Path(node).exists() for node in OTHER_NODES),
    )


def visible(found: tuple[Gpu, ...], told: str | None) -> tuple[Gpu, ...]:
    """Give the GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; names that are no numbers leave all."""
    if told is None or not found:
        return found
    places = [place.strip() for place in told.split(",") if place.strip()]
    if not all(place.isdecimal() for place in places):
        return found
    return tuple(found[int(place)] for place in places if int(place) < len(found))


def memory() -> tuple[float, float]:
    """Give memory and what of it programs can have, in GiB, within the limit of a container."""
    told = {}
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            name, _, rest = line.partition(":")
            told[name] = int(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return 0.0, 0.0
    total, free = told.get("MemTotal", 0), told.get("MemAvailable", 0)
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        total, free = min(total, limit), min(free, max(limit - used, 0))
    except (OSError, ValueError):
        # No control group, or one without a limit.
        pass
    return total / GIB, free / GIB


def gpus() -> tuple[Gpu, ...]:
    """Ask the driver for the GPUs of this machine; none where there is no driver."""
    try:
        told = subprocess.run(_QUERY, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(gpu_of(line) for line in told.splitlines() if line.strip())


def gpu_of(line: str) -> Gpu:
    """Read a line of nvidia-smi; a GPU that shares the processor's memory tells no size."""
    name, total, free = (part.strip() for part in line.rsplit(",", 2))
    sizes = [round(float(size) / 1024, 1) if size.isdecimal() else 0.0 for size in (total, free)]
    return Gpu(name, sizes[0], sizes[1])


def find(program: str, python: str = "") -> str:
    """Give the path of a program: beside an interpreter where one is named, else on the PATH; empty: nowhere."""
    if python:
        beside = Path(python).expanduser().parent / program
        return str(beside) if os.access(beside, os.X_OK) else ""
    return shutil.which(os.path.expanduser(program)) or ""


def version_of(program: str, distribution: str) -> str:
    """Give the version of the Python package that a program came with; empty where nothing tells.

    The program is not run: an engine takes many seconds to say its version.
    """
    libraries = Path(program).parent.parent.glob("lib/python3*/*-packages")
    found = [file.name for folder in libraries for file in folder.glob(f"{distribution}-*.dist-info")]
    named = [re.fullmatch(rf"{distribution}-(.+)\.dist-info", name) for name in found]
    return max((match[1] for match in named if match), key=numbers, default="")


def numbers(version: str) -> tuple[int, ...]:
    """Give a version's leading numbers: 0.20.1rc1 is (0, 20, 1)."""
    found: list[int] = []
    for part in version.split("."):
        digits = re.match(r"\d+", part)
        if not digits:
            break
        found.append(int(digits[0]))
        if digits[0] != part:
            break
    return tuple(found)


def platform_name(model_file: Path = Path("/proc/device-tree/model")) -> str:
    """Name the platform that a pin is for: Thor, Orin, Spark, x86 or laptop."""
    try:
        board = model_file.read_text(errors="replace").strip("\0\n ")
    except OSError:
        board = ""
    for name in ("Thor", "Orin"):
        if name in board:
            return name
    found = gpus()
    if any("GB10" in gpu.name for gpu in found):
        return "Spark"
    return "x86" if found and platform.machine() == "x86_64" else "laptop"
