"""Training and evaluation commands; they need the ``training`` extra and run from the repository root."""
