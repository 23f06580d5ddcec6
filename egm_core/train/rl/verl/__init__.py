"""The same reinforcement learning on verl, for clusters."""
