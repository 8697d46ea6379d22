"""Synthetic clips with known motion, and releases of every corpus made of them.

The modules here draw persons, clips and frames, and write them in the folders and tables of a corpus. Code that reads
a release belongs in `datasets`.

Every face derives from one photograph, `skimage.data.astronaut()` (NASA, public domain). Smooth warps, blends with the
mirror image, tone, light and skin texture make the persons. Known motion fields make the expressions. The clips
exercise the pipeline from frames to report. Scores on them are no measure of accuracy on people.

The bytes of the demo are the same on every processor, because its checksum is part of the project's data version.
Rendering therefore uses only integers, comparisons, gathers and elementwise float64 `+ - * /` and `floor`. IEEE 754
defines these to the last bit. It does not define library functions (`exp`, `sin`, `**`), float sums or matrix products.
Do not use them here. Bumps are rational functions, rotations use the tangent of half the angle, and noise is a sum of
uniform integers.

Lengths are in face units. A face is 280 units wide, so one unit is one pixel in the demo. x points right, y down.
"""
