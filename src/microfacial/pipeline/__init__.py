"""The command line, the stages that DVC runs, params.yaml, and checks of a project.

Commands and stages read files, call functions of the other packages, and write and print the results. Decisions and
computations belong in those packages.
"""
