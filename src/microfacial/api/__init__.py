"""The Python API that needs no project: load a corpus, extract features, evaluate any model, and read the result.

Its functions check their arguments and call the same code as the pipeline's stages. They do not use params.yaml, DVC or
MLflow.
"""
