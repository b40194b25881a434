"""Exported runs, and the reader that answers from them without candgen."""
