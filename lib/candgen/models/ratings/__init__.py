"""The rating model: vectors and biases fitted to ratings."""
