"""Image messages: their encodings, decoding, and advice on what they cost."""
