"""Pretraining of the embedded model from scenes alone."""
