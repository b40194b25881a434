"""A workbench for candidate generation, the first stage of a recommender.

Importing this package is cheap: numerical libraries load with the modules that use them.
"""

import os

__version__ = "0.1.0"

# Threads of one library that wait by spinning keep a core from those of the next, as where faiss
# searches and our compiled code ranks.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
