"""The Ray workers of an evaluation: the model that each loads, the pool that answers batches, and the log of answers."""
