"""Readers of referring expressions: RefCOCO and its kin in their several forms."""
