"""What every command shares: the error type of bad input, and how a command runs."""
