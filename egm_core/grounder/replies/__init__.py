"""What comes of a question: the replies to its queries, a second thought about them, and the verdict."""
