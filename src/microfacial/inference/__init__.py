"""Use trained models on new clips: read a clip, restore a model, predict, and store a model as a bundle.

Training and scoring belong in `training` and `evaluation`; decisions about registered versions belong in `registry`.
"""
