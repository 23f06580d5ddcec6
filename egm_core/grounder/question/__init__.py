"""What an instruction becomes before a model is asked: the tasks, and the grammar of the answer."""
