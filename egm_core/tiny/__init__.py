"""The embedded model: a few million parameters of the real Qwen3-VL architecture, built from nothing."""
