"""Looks at this machine: Python and its libraries, processor, memory, disk, GPU and OpenGL."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from egm_core.doctor import libraries, models, network, ros
from egm_core.doctor.facts import Facts, Gpu

GIB = 2**30
# torch takes seconds to import, and more on a busy machine.
PATIENCE = 60.0
PROGRAMS = ("vllm", "trtllm-serve", "ollama", "ros2", "nvidia-smi")
GPU_NODES = ("/dev/nvidia0", "/dev/nvhost-gpu", "/dev/nvmap")
_ASK_TORCH = "import torch; print(torch.cuda.device_count())"


def look(environment: Mapping[str, str], addresses: tuple[str, ...] = ()) -> Facts:
    """Look at everything; takes seconds at most, and starts nothing that stays."""
    modules = {name: _version(name) for name in libraries.known()}
    found = gpus()
    here = Path.cwd()
    memory, free = _memory()
    return Facts(
        python=platform.python_version(),
        executable=sys.executable,
        checkout=_checkout(),
        modules=modules,
        programs=tuple(name for name in PROGRAMS if shutil.which(name)),
        cores=_cores(),
        memory=memory,
        memory_free=free,
        disk_folder=str(here),
        disk_free=shutil.disk_usage(here).free / GIB,
        shared_memory=_shared_memory(),
        gpus=found,
        gpus_of_torch=_gpus_of_torch() if modules["torch"] is not None and _has_gpu(found) else 0,
        egl=_egl(),
        ros=ros.look(environment, modules["rclpy"] is not None),
        servers=network.servers((*network.USUAL, *addresses)),
        taken_ports=network.taken(network.PORTS),
        embedded=models.embedded(),
        models=models.folders(environment, here),
    )


def _version(module: str) -> str | None:
    """Give a library's version, empty where it does not say; None where it is missing."""
    try:
        if importlib.util.find_spec(module) is None:
            return None
    except (ImportError, ValueError):
        return None
    try:
        return importlib.metadata.version(libraries.DISTRIBUTIONS.get(module, module))
    except importlib.metadata.PackageNotFoundError:
        return ""


def _checkout() -> str:
    root = Path(__file__).resolve().parents[2]
    return str(root) if (root / "setup.py").is_file() and (root / "Makefile").is_file() else ""


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _memory() -> tuple[float, float]:
    """Give memory and what of it is free, within the limit of a container."""
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


def _shared_memory() -> float:
    try:
        return shutil.disk_usage("/dev/shm").total / GIB
    except OSError:
        return 0.0


def gpus() -> tuple[Gpu, ...]:
    """Ask the driver for the GPUs of this machine; none where there is no driver."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(_gpu(line) for line in told.splitlines() if line.strip())


def _gpu(line: str) -> Gpu:
    name, _, memory = line.rpartition(",")
    # A GPU that shares the processor's memory tells no size.
    return Gpu(name.strip(), round(float(memory) / 1024, 1) if memory.strip().isdecimal() else 0.0)


def _has_gpu(found: tuple[Gpu, ...]) -> bool:
    return bool(found) or any(Path(node).exists() for node in GPU_NODES)


def _gpus_of_torch() -> int:
    """Ask torch in a process of its own, for it takes memory and seconds."""
    try:
        done = subprocess.run([sys.executable, "-c", _ASK_TORCH], capture_output=True, text=True, timeout=PATIENCE)
        return int(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _egl() -> bool:
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError:
        return False
    return True
