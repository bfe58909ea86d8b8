"""The tables of a shop: files, rows and columns are read and judged by the input contract; knows nothing of texts or models."""
