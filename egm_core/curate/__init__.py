"""Curation: a teacher writes expressions and reasoning for samples, and nothing unchecked becomes training text.

`prompts` holds what is asked, `rules` judges an answer by its words, `experiments` by asking once more, `reason` makes
samples with reasoning, and `audit` has people look at some of them. What is known of an answer beside its text goes
into a file beside the samples, see `provenance`.
"""
