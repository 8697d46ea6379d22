"""One module for each command that is no stage of dvc.yaml. Commands do not import each other."""
