"""What asking a teacher costs: prices, tokens, an estimate before it starts, and a bound that holds while it runs."""
