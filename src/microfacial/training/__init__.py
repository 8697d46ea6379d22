"""Training of one model on the training rows of one or more folds: augmentation, losses, optimisation, checkpoints.

The code that plans folds, runs them and scores their predictions is in `evaluation`. No test row comes here.

Axes: L lanes, one network each · P parameters of one network · n rows · B rows of a batch · C channels · H, W pixels ·
K classes.
"""
