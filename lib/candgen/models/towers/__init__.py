"""Query towers and item towers, and what they read."""
