"""Parts of networks that several model variants share. A layer that only one variant uses stays in that variant's file.

The parts use matrix products where they can, so that several folds can train as one batched program.

Axes: N or n samples · W windows · R regions · C channels · s pixels along a side of a map · L tokens · D numbers of a
token, d of them in one head · K classes.
"""
