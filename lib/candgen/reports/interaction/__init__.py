"""Charts and controls of a report that work in the browser, from data inside the page."""
