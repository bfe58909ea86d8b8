"""Read the tables of a shop and check them against the input contract; independent of texts and models."""
