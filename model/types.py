"""Names for the arrays that travel between the modules of `model`."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["single", "multiple"]
"""`single`: exactly one label an example (softmax); `multiple`: any number (sigmoid)."""

Medium = Literal["text", "image", "video", "audio"]
Layout = tuple[Medium, ...]
"""What an example consists of, in this order; any part of it may be missing."""

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
