// Everything is defined: draw what the page has data for.
cgExplorer.start();
