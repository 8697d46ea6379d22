"""From clips to aligned faces and optical flow.

This package finds and aligns faces, cuts regions, computes flow, spots movements, and reads and writes the files of
faces and flow. Code that reads releases belongs in `datasets`, and code that makes the inputs of a model in `models`.
"""
