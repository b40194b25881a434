"""The three-post example of negative sampling on a line."""
