"""Data of others and of one's own as samples: readers of the field's files, and what is done with sample files."""
