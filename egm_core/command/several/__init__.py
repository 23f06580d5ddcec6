"""Commands about every match."""
