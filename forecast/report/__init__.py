"""Tables and a page, made from the document of report.json alone."""
