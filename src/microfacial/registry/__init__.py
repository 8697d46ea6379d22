"""Register trained models as versions, compare them, and decide which version is the champion.

The calls to MLflow belong in `tracking`; bundles and predictions belong in `inference`.
"""
