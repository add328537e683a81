"""What every package may use: the error type of bad input, files."""
