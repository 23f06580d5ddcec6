"""Reinforcement learning with the reward of the paper (GRPO, GSPO)."""
