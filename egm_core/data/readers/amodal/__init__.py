"""Readers of amodal annotations: whole objects, and what of them is seen."""
