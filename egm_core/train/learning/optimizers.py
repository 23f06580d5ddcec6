"""Muon and AdamW as one optimiser, so that a trainer schedules, saves and restores both together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from egm_core.train.learning.muon import Muon

INNER = ("layers.", "blocks.", "merger", "projector")


def is_inner(name: str, parameter: torch.Tensor) -> bool:
    """Tell whether Muon should take a parameter: the matrices between embeddings and head (Jordan et al., 2024)."""
    return parameter.ndim == 2 and any(part in name for part in INNER)


class MuonAdamW(torch.optim.Optimizer):
    """Muon for inner matrices at `matrix_rate`, AdamW for everything else at `rate`; one schedule scales both."""

    def __init__(
        self,
        named: Iterable[tuple[str, torch.nn.Parameter]],
        matrix_rate: float,
        rate: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.98),
    ) -> None:
        whole: list[torch.nn.Parameter] = []
        fused: list[torch.nn.Parameter] = []
        decayed: list[torch.nn.Parameter] = []
        free: list[torch.nn.Parameter] = []
        for name, parameter in named:
            if is_inner(name, parameter):
                (fused if name.endswith("qkv.weight") else whole).append(parameter)
            else:
                (decayed if parameter.ndim > 1 else free).append(parameter)
        matrices = [{"params": whole, "parts": 1}, {"params": fused, "parts": 3}]
        others = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
        self._muon, self._adam = (
            make([group for group in groups if group["params"]])
            for make, groups in (
                (lambda g: Muon(g, lr=matrix_rate, weight_decay=weight_decay), matrices),
                (lambda g: torch.optim.AdamW(g, lr=rate, betas=betas, fused=True), others),
            )
        )
        groups = [*self._muon.param_groups, *self._adam.param_groups]
        super().__init__(groups, {"lr": rate})
        self._share()

    def _share(self) -> None:
        """Let both work on this optimiser's groups and state, which loading a checkpoint replaces."""
        self._muon.param_groups = [g for g in self.param_groups if "parts" in g]
        self._adam.param_groups = [g for g in self.param_groups if "parts" not in g]
        self._muon.state = self._adam.state = self.state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Apply one update to every parameter that has a gradient."""
        self._muon.step()
        self._adam.step()
