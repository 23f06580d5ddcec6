"""Readers of driving data: cars' cameras, boxes, and commands."""
