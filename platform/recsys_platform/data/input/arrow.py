"""Small bridges to Arrow: compute functions, contiguous arrays, masks."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

Mask = npt.NDArray[np.bool_]
READ_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What reading a damaged or missing file raises; pyarrow decodes names in the metadata of Parquet itself."""

pc: Any = pyarrow.compute
"""Its functions are generated at import, so type checkers do not know them."""


def flatten(column: pa.Array | pa.ChunkedArray) -> Any:
    """Return one contiguous array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def to_mask(column: pa.Array | pa.ChunkedArray) -> Mask:
    """Return a boolean column without nulls as numpy."""
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)
