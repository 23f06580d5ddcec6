"""Streams: time as stamps tell it, the pairing of messages by their stamps, and what is kept until then."""
