"""What managers read: contents, plots, one HTML page, tables as files."""
