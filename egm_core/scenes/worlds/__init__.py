"""Worlds: the objects, furniture and arrangements that scenes are made of, and how they move."""
