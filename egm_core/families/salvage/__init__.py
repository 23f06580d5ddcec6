"""Salvage: what a careful reader takes from an answer that is not as the grammar promised."""
