"""Every match in generated scenes: questions about no object, one and several, and the figures of the answers."""
