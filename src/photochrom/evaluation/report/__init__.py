"""What an evaluation leaves behind: report.html, .csv and .json, with their plots, pictures and tables."""
