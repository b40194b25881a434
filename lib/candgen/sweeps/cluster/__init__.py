"""Sweeps on a Dask cluster: stages run on workers that share no disk with the driver.

The driver is the process of `candgen sweep`. It keeps the books: plan, locks, fingerprints, status,
retries, live view. It prepares datasets and makes the report. Workers execute runs.
"""
