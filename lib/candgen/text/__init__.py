"""Text that others wrote: shown as text in notebooks, terminals and CSV, and read in bounds."""
