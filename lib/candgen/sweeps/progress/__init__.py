"""Progress of a sweep: what is known of each stage, shown in a terminal and in a browser."""
