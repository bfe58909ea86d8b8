"""The entity head: a vector and a score for each whole item, in addition to the scores of its tokens."""
