"""What the runs of a data set came to: results → metrics.json for DVC, and one page for people."""
