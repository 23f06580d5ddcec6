"""Supervised fine-tuning on reasoning and boxes."""
