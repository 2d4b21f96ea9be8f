"""What ``python -m weights`` does; one file a command."""
