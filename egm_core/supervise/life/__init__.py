"""One engine's life: what it is doing, what a query says of it, and the server that was launched for it."""
