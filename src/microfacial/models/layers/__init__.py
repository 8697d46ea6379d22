"""Parts of networks that several model variants share. A layer that only one variant uses stays in that variant's file.

The parts use matrix products where they can, so that several folds can train as one batched program.

Axes: N samples · W windows · R regions · C channels · s pixels · L tokens · D width · K classes.
"""
