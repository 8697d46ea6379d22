"""The seam to MLflow, the only package that imports it: its store, runs of trainings."""
