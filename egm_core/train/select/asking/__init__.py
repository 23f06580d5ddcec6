"""Asking a model many questions: endpoints, exactly once, here or on Ray."""
