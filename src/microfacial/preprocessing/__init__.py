"""From clips to aligned faces and optical flow.

Finding the face, aligning it, cutting regions, computing flow, spotting movements, and the files of faces and flow belong
here. Reading releases belongs in `datasets`. Tensors for one model belong in `models`.
"""
