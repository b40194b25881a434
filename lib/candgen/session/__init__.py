"""Running pages: parameters, run folders, kernels, sweeps and reports.

Notebooks need two calls, `open_run` and `open_dataset`; the other modules serve the command line.
Importing this package is cheap: numerical libraries load when a dataset or a run needs them.
"""

from candgen.session.runs import Run, open_dataset, open_run

__all__ = ["Run", "open_dataset", "open_run"]
