"""Tables 1, 2, 11 and 12: why small models fail, who mends it, and what EGM solves of hard samples."""

from __future__ import annotations

COMPLEX = "COMPLEX-PROMPT"
REASONS = (COMPLEX, "AMBIGUOUS-IMAGE", "SMALL-OBJECT", "GT-ERROR", "OTHER")
JUDGES = ("GPT-4", "GPT-5", "Gemini-3-Pro")
# Failures of InternVL-3-8B, in % of each judge's; Table 1 is the first line.
TABLE_12: dict[str, tuple[float, float, float]] = {
    COMPLEX: (62.8, 48.8, 46.8),
    "AMBIGUOUS-IMAGE": (35.9, 21.7, 17.9),
    "SMALL-OBJECT": (0.4, 1.0, 0.2),
    "GT-ERROR": (0.6, 11.0, 27.6),
    "OTHER": (0.3, 17.5, 7.5),
}
# Acc@0.5 in % of other models on the COMPLEX-PROMPT failures of InternVL-3-8B.
TABLE_2 = {"InternVL-3-32B": 29.9, "InternVL-3-78B": 42.6, "Gemini-2.5-Flash": 20.9, "Gemini-2.5-Pro": 22.1,
           "Gemini-3-Pro": 57.3, "EGM-InternVL-3-8B": 42.7}  # fmt: skip
# Samples that Qwen3-VL-8B-Thinking has below IoU 0.5, by what EGM makes of them.
HARD = {"unsolved": 3052, "solved": 3030}
HARD_SHARES = {"unsolved": 50.2, "solved": 49.8}
