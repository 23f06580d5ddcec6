"""On the path of the vLLM environment: declares torchvision's operators just before torchvision is imported.

That environment pairs the registry's torchvision (a CUDA build) with a CPU build of torch, and vLLM starts
processes of its own; so the mending has to happen inside each of them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _DeclareFirst(MetaPathFinder):
    kept: Any = None

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == "torchvision" and self.kept is None:
            import torch

            self.kept = torch.library.Library("torchvision", "FRAGMENT")
            if torch.version.cuda is None:
                for operator in ("nms", "qnms"):
                    self.kept.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return None


sys.meta_path.insert(0, _DeclareFirst())
