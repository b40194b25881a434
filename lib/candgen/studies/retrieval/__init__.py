"""The study of exact and approximate search: speed, recall, memory and serving costs."""
