"""Training of one model on the training rows of one or more folds: augmentation, losses, optimisation, checkpoints.

The code that plans folds, runs them and scores their predictions is in `evaluation`. No test row comes here.
"""
