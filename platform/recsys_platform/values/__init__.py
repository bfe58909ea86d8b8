"""One meaning for one value: how ids, labels and times are read, the same in tables and in requests."""
