"""Training and evaluation commands; needs the ``training`` extra and runs from the repository root."""
