"""Several targets at a time: their lines, what is in force for which camera, whose turn it is, what became of each."""
