"""The web page: files for the browser, and what hands them out.  It asks the serving API."""
