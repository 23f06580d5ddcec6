"""Evaluation: which queries are asked, how answers are scored, and what the figures are worth.

`egm evaluate scenes` asks a model about generated scenes and prints the table.
"""
