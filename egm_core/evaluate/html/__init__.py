"""The report as one HTML file: tables, plots, and a gallery of answers that needs no network."""
