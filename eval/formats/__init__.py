"""Forms of files of forecasts, one reader and one writer each: submissions, flat rows, nested rows; and of truth."""
