"""What an evaluation shows: reports, tables and charts."""
