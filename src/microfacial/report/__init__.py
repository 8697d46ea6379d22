"""Everything that people read about results: the HTML report, files of scores, DVC plots, figures and contact sheets.

This package receives records and draws them. It does not train, score or compare models: `evaluation` does that.
"""
