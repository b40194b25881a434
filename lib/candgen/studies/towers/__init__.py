"""The study of two-tower inputs and unknown users and items."""
