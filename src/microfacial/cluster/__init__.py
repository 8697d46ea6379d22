"""Run the tasks of a command on workers of dask.distributed: on this machine, on a given scheduler, or on SLURM.

joblib is the interface: code that trains or computes flow does not know where its tasks run. Code that decides results,
writes files or talks to MLflow does not belong here.
"""
