"""Training and evaluation commands; they need the ``standalone`` extra and run from the repository root."""
