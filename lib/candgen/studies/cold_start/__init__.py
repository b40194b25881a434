"""The study of users and items without a history."""
