"""Tables 4 and 10: Acc@0.5 (IoU above 0.5, in %) on the eight splits.

An EGM model is named after its base, and "w/o R" is the same model with reasoning forbidden.
"""

from __future__ import annotations

from dataclasses import dataclass

from egm_core.evaluate.paper.splits import SPLITS

WITHOUT = " w/o R"


@dataclass(frozen=True)
class Row:
    """One model's line: the splits in the order of `SPLITS`, and the average that is printed beside them."""

    model: str
    splits: tuple[float, ...]
    printed: float | None

    @property
    def average(self) -> float:
        """The plain mean of the eight splits, which is what the paper averages."""
        return sum(self.splits) / len(SPLITS)


TABLE_4 = (
    Row("Qwen3-VL-2B-Instruct", (88.7, 90.8, 84.7, 80.1, 85.7, 73.1, 84.8, 85.7), 84.2),
    Row("Qwen3-VL-2B-Thinking", (87.5, 91.4, 82.0, 80.2, 86.7, 72.1, 84.4, 84.5), 83.6),
    Row("EGM-Qwen3-VL-2B", (93.0, 94.0, 89.4, 87.8, 91.7, 82.7, 88.6, 89.3), None),
    Row("Qwen3-VL-4B-Instruct", (91.0, 92.7, 87.6, 84.4, 88.7, 78.2, 88.3, 87.8), 87.3),
    Row("Qwen3-VL-4B-Thinking", (90.0, 92.7, 85.6, 85.2, 89.5, 79.3, 87.8, 87.7), 87.2),
    Row("EGM-Qwen3-VL-4B", (93.5, 95.1, 90.9, 89.7, 93.1, 84.9, 90.4, 90.8), None),
    Row("Qwen3-VL-8B-Instruct", (91.6, 93.3, 87.8, 85.8, 90.3, 79.9, 88.7, 88.7), 88.3),
    Row("Qwen3-VL-8B-Thinking", (91.0, 92.9, 86.9, 86.2, 89.3, 80.2, 87.6, 88.6), 87.8),
    Row("EGM-Qwen3-VL-8B w/o R", (92.2, 93.6, 89.2, 85.7, 90.2, 80.0, 88.6, 89.3), None),
    Row("EGM-Qwen3-VL-8B", (93.9, 95.0, 91.2, 90.1, 93.3, 85.9, 90.4, 91.2), None),
    Row("Qwen3-VL-235B-A22B-Instruct", (92.9, 94.6, 90.2, 88.6, 92.4, 84.2, 90.3, 90.8), 90.5),
    Row("Qwen3-VL-235B-A22B-Thinking", (92.9, 94.1, 90.6, 89.5, 92.5, 85.5, 90.4, 90.5), 90.7),
    Row("InternVL-3-1B", (85.8, 90.1, 81.7, 76.6, 84.1, 69.2, 82.8, 82.6), 81.6),
    Row("EGM-InternVL-3-1B", (90.2, 93.2, 87.0, 83.8, 88.8, 77.5, 86.4, 87.5), None),
    Row("InternVL-3-2B", (89.8, 92.6, 86.4, 84.0, 89.2, 76.5, 87.6, 87.2), 86.7),
    Row("EGM-InternVL-3-2B", (92.2, 94.0, 87.4, 85.6, 91.2, 79.2, 88.5, 88.7), None),
    Row("InternVL-3-8B", (92.5, 94.6, 88.0, 88.2, 92.5, 81.8, 89.6, 90.0), 89.6),
    Row("EGM-InternVL-3-8B w/o R", (91.3, 93.9, 87.0, 85.7, 90.6, 78.1, 87.3, 88.2), None),
    Row("EGM-InternVL-3-8B", (93.6, 95.2, 90.1, 89.3, 93.6, 83.1, 89.7, 90.7), None),
    Row("InternVL-3-78B", (93.4, 95.4, 90.3, 90.1, 93.8, 85.3, 91.5, 91.5), 91.4),
    Row("Gemini-2.5-Pro", (66.8, 66.8, 69.2, 58.2, 58.2, 60.6, 65.0, 65.7), 63.8),
    Row("Gemini-3-Pro", (87.3, 86.4, 86.4, 80.3, 79.7, 81.8, 89.9, 89.6), 85.2),
    Row("GPT-5", (42.6, 46.0, 39.3, 37.4, 40.1, 35.2, 39.1, 41.0), 40.1),
)

_ONLY_IN_10 = (
    Row("EGM-Qwen3-VL-2B w/o R", (92.2, 93.5, 89.0, 86.3, 90.9, 80.8, 88.6, 89.0), None),
    Row("EGM-Qwen3-VL-4B w/o R", (93.5, 95.0, 90.8, 89.3, 92.4, 83.8, 90.1, 90.7), None),
    Row("EGM-InternVL-3-1B w/o R", (87.7, 91.5, 83.9, 79.7, 86.3, 72.6, 83.6, 84.1), None),
    Row("EGM-InternVL-3-2B w/o R", (90.6, 93.1, 86.7, 84.6, 89.9, 77.5, 86.7, 87.2), None),
)
ROWS = {row.model: row for row in (*TABLE_4, *_ONLY_IN_10)}
