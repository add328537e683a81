"""What every command shares: how it runs, and the flags that several have."""
