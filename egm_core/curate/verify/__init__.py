"""Verification of expressions: by a model that sees the box (`sets.expressing`), and by one that has to hit it."""
