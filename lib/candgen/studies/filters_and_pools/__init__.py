"""The study of filters and of candidate pools from several generators."""
