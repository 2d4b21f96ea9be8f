"""Training data: where pairs of blurry and sharp images come from, and how batches are made of them."""
