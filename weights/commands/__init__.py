"""What ``python -m weights`` does."""
