"""A workbench for candidate generation, the first stage of a recommender.

Importing this package is cheap: numerical libraries load with the modules that use them.
"""

__version__ = "0.1.0"
