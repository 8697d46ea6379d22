"""Search the settings of a model with Optuna on some subjects, then score the best settings on the other subjects.

Search spaces, trials, inner folds and the conclusion of a study belong here. MLflow, the command line and stored
predictions do not: a study must not be able to read predictions for test subjects.
"""
