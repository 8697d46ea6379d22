"""Protocols, folds, scores and comparisons of models.

The rules that divide subjects and pool predictions belong here. Fitting one model belongs in `training`, and search
over settings in `tuning`. Import from the modules: this package exports nothing, because `tuning` must not import
`oracle` or `result_files`.

Axes: N clips of the data set · n test rows · S subjects · K classes. A confusion matrix is `(K, K)`: rows are true
classes, columns are predicted classes.
"""
