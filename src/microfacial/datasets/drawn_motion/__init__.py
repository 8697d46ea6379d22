"""Optical flow drawn from knowledge about facial muscles, without a face, a frame or a clip.

`draw_motion` draws batches of flow with the emotions and action units that they show. The demo's clips move by the same
kind of bumps, so a model of drawn motion has an unfair advantage there. Networks and training do not belong here.
"""
