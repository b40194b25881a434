"""Matrix factorizations and their solvers."""
