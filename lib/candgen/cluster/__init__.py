"""Work on a Dask cluster: its address, and blocks of one large job over its workers."""
