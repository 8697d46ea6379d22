"""One module for each stage of dvc.yaml. Each reads its inputs, calls a package and writes its outputs."""
