"""The pages of docs/reference, made from the tables, parsers and settings that the code uses."""
