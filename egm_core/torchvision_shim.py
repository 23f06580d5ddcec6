"""Makes torchvision importable beside a torch that it was not built for.

The registry's torchvision is a CUDA build. Beside a CPU build of torch its import fails, because the operators
it gives shapes to were never declared; transformers' processors then fail too. Declaring the two operators is
enough for all that a processor uses (resizing). Source: torch.library.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

_kept: list[Any] = []


def install_schemas() -> bool:
    """Declare torchvision's operators where its own are unusable; tells whether `import torchvision` works.

    Call it before anything imports transformers' processors. A torchvision that works is left alone, and
    where there is none, nothing happens.
    """
    if importlib.util.find_spec("torchvision") is None:
        return False
    if _importable():
        return True
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    import torch

    if not _kept:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
    return _importable()


def _importable() -> bool:
    try:
        importlib.import_module("torchvision")
    except (ImportError, OSError, RuntimeError, AttributeError):
        return False
    return True
