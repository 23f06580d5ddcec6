"""Table 5 and the amodal benchmark: the text kept the gains of EGM and lost the accuracies themselves."""

from __future__ import annotations

SAMPLES, IMAGES = 11261, 2474
SETTINGS = ("InternVL-3-1B", "InternVL-3-2B", "InternVL-3-8B", "InternVL-3-78B", "Qwen3-VL-2B", "Qwen3-VL-4B",
            "Qwen3-VL-8B", "Qwen3-VL-235B", "Gemini-2.5-Pro", "Gemini-3-Pro", "GPT-5")  # fmt: skip
GAINS = {"InternVL-3-1B": 7.4, "InternVL-3-2B": 6.4, "InternVL-3-8B": 11.5, "Qwen3-VL-2B": 6.9, "Qwen3-VL-4B": 2.3,
         "Qwen3-VL-8B": 2.5}  # fmt: skip
