"""Functions that notebooks call: runs, datasets by name, paths, and the environment.

Importing this package is cheap: numerical libraries load when a dataset or a run needs them.
"""

from candgen.session.runs import Run, open_dataset, open_run

__all__ = ["Run", "open_dataset", "open_run"]
