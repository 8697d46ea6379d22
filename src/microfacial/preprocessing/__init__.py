"""From clips to aligned faces and optical flow.

This package finds and aligns faces, cuts regions, computes flow, spots movements, and reads and writes the files of
faces and flow. Code that reads releases belongs in `datasets`, and code that makes the inputs of a model in `models`.

Axes: N clips, frames or pairs of frames · n points · T windows · C channels, u and v · H, W height and width in pixels,
or h, w of smaller images · R regions.
"""
