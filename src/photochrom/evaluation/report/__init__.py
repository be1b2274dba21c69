"""The report of an evaluation: report.html, .csv and .json, with their plots, pictures and tables."""
