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

from egm_core.doctor import engines, libraries, models, network, ros
from egm_core.doctor.facts import Facts
from egm_core.servers import machine
from egm_core.servers.machine import GIB, Gpu

# torch takes seconds to import, and more on a busy machine.
PATIENCE = 60.0
PROGRAMS = ("ros2", "nvidia-smi")
GPU_NODES = ("/dev/nvidia0", "/dev/nvhost-gpu", "/dev/nvmap")
_ASK_TORCH = "import torch; print(torch.cuda.device_count())"


def look(environment: Mapping[str, str], addresses: tuple[str, ...] = (), pythons: tuple[str, ...] = ()) -> Facts:
    """Look at everything; takes seconds at most, and starts nothing that stays."""
    modules = {name: _version(name) for name in libraries.known()}
    found = machine.gpus()
    here = Path.cwd()
    memory, free = machine.memory()
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
        platform=machine.platform_name(),
        engines=engines.found(machine.look(environment), modules, pythons),
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


def _shared_memory() -> float:
    try:
        return shutil.disk_usage("/dev/shm").total / GIB
    except OSError:
        return 0.0


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
