"""What an instruction becomes before a model is asked: its tasks and their models, the queries, and their grammar."""
