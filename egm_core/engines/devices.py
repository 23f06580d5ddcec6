"""The names of torch's devices and precisions that an engine takes; torch itself is not needed to read them."""

from __future__ import annotations

import re

DEVICE = re.compile(r"auto|cpu|cuda(?::\d+)?")
DTYPES = ("auto", "float32", "bfloat16", "float16")
KINDS = "give auto, cpu, cuda or cuda:N"


def refusal(device: str, dtype: str, gpus: int) -> str:
    """Say why an engine cannot run on a device in a precision, on a machine with so many GPUs; empty where it can."""
    if not DEVICE.fullmatch(device):
        return f"device {device!r} is none that is known here; {KINDS}"
    if dtype not in DTYPES:
        return f"dtype {dtype!r} is none that is known here; give {', '.join(DTYPES[:-1])} or {DTYPES[-1]}"
    if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= gpus:
        have = f"torch finds {gpus} GPU{'s' * (gpus > 1)}, cuda:0 and on" if gpus else "torch finds no GPU"
        return f"device {device!r} is not there: {have}; give another one, or auto"
    return ""


def check_here(device: str, dtype: str = "auto") -> None:
    """Raise ValueError where this machine's torch cannot run an engine on a device, before anything is loaded."""
    if device in ("auto", "cpu"):
        return
    import torch

    problem = refusal(device, dtype, torch.cuda.device_count())
    if problem:
        raise ValueError(problem)
