"""MicroFacial: honest micro-expression recognition, from raw face clips to a promoted model."""

__version__ = "0.1.0"
