"""Figure 5: accuracy against latency on L20 GPUs, a random tenth of RefCOCO.

The text prints two latencies; the others are read off the figure, to a few per cent. Two accuracies of the figure
differ from Table 4, which has 89.6 for EGM-Qwen3-VL-2B and 88.3 for Qwen3-VL-8B-Instruct.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A model of the figure: milliseconds a sample, accuracy in %, and whether the text prints the latency."""

    model: str
    ms: float
    accuracy: float
    printed: bool = False


FIGURE_5 = (
    Point("EGM-Qwen3-VL-2B", 287, 89.1),
    Point("EGM-Qwen3-VL-4B", 488, 90.9),
    Point("EGM-Qwen3-VL-8B", 737, 91.4, True),
    Point("Qwen3-VL-2B-Instruct", 173, 84.2),
    Point("Qwen3-VL-4B-Instruct", 246, 87.3),
    Point("Qwen3-VL-8B-Instruct", 412, 88.9),
    Point("Qwen3-VL-235B-A22B-Instruct", 4320, 90.5, True),
    Point("Qwen3-VL-2B-Thinking", 748, 83.6),
    Point("Qwen3-VL-4B-Thinking", 1068, 87.2),
    Point("Qwen3-VL-8B-Thinking", 1256, 87.8),
    Point("Qwen3-VL-32B-Thinking", 7298, 88.6),
    Point("Qwen3-VL-235B-A22B-Thinking", 13860, 90.7),
    Point("InternVL-3-1B", 100, 81.6),
    Point("InternVL-3-2B", 123, 86.7),
    Point("InternVL-3-32B", 1554, 91.2),
    Point("InternVL-3-78B", 1981, 91.4),
)
