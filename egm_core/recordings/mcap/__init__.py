"""MCAP files: every record as it stands, read also where a file is damaged, and written again."""
