"""Reasoning for samples: the true box drawn on a copy, a teacher asked, and its answers judged."""
