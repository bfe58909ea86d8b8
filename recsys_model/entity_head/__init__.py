"""The entity head: a vector and a score for each whole item, beside the scores of its tokens."""
