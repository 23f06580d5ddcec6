"""Readers of robots' recordings."""
