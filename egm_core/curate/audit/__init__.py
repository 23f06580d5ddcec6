"""A sheet of samples for people to judge, and the error rate that their judgements give."""
