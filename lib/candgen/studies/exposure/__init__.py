"""The study of biased exposure and of feedback loops."""
