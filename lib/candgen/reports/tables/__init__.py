"""Tables of a report as files for papers, pages and spreadsheets, and dataset cards."""
