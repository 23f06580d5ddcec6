"""Evaluating on sample files: any model, any data set that was converted to samples, scored as the field scores."""
