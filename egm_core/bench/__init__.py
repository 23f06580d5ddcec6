"""How fast an engine answers, beside the least time that the machine's memory allows."""
