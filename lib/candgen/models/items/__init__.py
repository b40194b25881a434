"""Item-to-item and user-to-user generators: neighbours, EASE, Markov chain."""
