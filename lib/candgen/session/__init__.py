"""What notebooks call: runs, datasets by name, where things are, and what surrounds a run.

Importing this package is cheap: numerical libraries load when a dataset or a run needs them.
"""

from candgen.session.runs import Run, open_dataset, open_run

__all__ = ["Run", "open_dataset", "open_run"]
