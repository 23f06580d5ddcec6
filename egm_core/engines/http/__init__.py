"""Servers that speak the OpenAI chat API: addresses, keys, bodies, dialects, streams, limits and names."""
