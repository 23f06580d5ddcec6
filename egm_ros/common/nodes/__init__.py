"""A node from its start to its end: command line, parameters, publishers and subscriptions, spinning."""
