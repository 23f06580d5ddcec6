"""Muon: updates are near-orthogonal, fused matrices are split, and a quadratic is minimised."""

from __future__ import annotations

import torch

from egm_core.train.learning.muon import Muon, orthogonalize


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((64, 32), (32, 64), (48, 48)):
        values = torch.linalg.svdvals(orthogonalize(torch.randn(shape)))
        assert values.max() < 1.3 and values.median() > 0.6


def test_parts_are_orthogonalised_apart() -> None:
    torch.manual_seed(0)
    fused = torch.nn.Parameter(torch.zeros(96, 32))
    fused.grad = torch.randn(96, 32)
    apart = torch.cat([orthogonalize(g) for g in fused.grad.chunk(3)])
    Muon([{"params": [fused], "parts": 3}], lr=1.0, momentum=0.0, weight_decay=0.0).step()
    torch.testing.assert_close(fused.detach(), -apart)


def test_minimises_a_quadratic() -> None:
    torch.manual_seed(0)
    goal, weight = torch.randn(16, 16), torch.nn.Parameter(torch.zeros(16, 16))
    optimizer = Muon([{"params": [weight]}], lr=0.05, weight_decay=0.0)
    first = float(((weight - goal).detach() ** 2).sum())
    for _ in range(150):
        optimizer.zero_grad()
        ((weight - goal) ** 2).sum().backward()
        optimizer.step()
    assert float(((weight - goal).detach() ** 2).sum()) < 0.1 * first
