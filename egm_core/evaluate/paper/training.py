"""Tables 3, 6 and 9: training data, hyper-parameters, and what SFT and RL bring."""

from __future__ import annotations

# Samples and images; the other columns of Table 3 are lost.
TABLE_3 = {"vanilla grounding": (575208, 24407), "amodal grounding": (23698, 15798)}
# Name: (QwenVL series, InternVL series).
TABLE_6: dict[str, tuple[float | str, float | str]] = {
    "epochs": (5, 5),
    "batch size": (256, 256),
    "clip_ratio": (0.2, 0.2),
    "reward weight": (0.5, 0.5),
    "KL weight": (0.005, 0.0),
    "entropy weight": (0.0, 0.01),
    "learning rate": (3e-6, 3e-6),
    "warm-up steps": (30, 30),
    "schedule": ("cosine", "cosine"),
    "max_response_length": (1024, 1024),
    "n_samples": (16, 16),
    "batch per device": (32, 32),
    "dtype": ("float32", "float32"),
    "rollout temperature": (0.7, 0.7),
    "rollout top_p": (0.9, 0.7),
    "rollout top_k": (50, -1),
    "rollout context": (32768, 32768),
    "rollout batch per device": (32, 32),
    "rollout dtype": ("float16", "float16"),
}
# Average accuracy of Qwen3-VL: base, + SFT (lost), + RL.
TABLE_9: dict[str, tuple[float, float | None, float]] = {
    "2B": (83.6, None, 89.6),
    "4B": (87.2, None, 91.0),
    "8B": (87.8, None, 91.4),
}
