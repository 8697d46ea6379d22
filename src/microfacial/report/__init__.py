"""Everything that people read about results: the HTML report, files of scores, DVC plots, figures and contact sheets.

This package receives records and draws them. It does not train, score or compare models: `evaluation` does that.

Axes: n clips or points · T windows · R regions · C channels · H, W height and width in pixels · b bins of confidence.
"""
