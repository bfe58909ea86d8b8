"""Tiny models, one of which gives many items equal scores, and titles of catalogues that they rank."""

import torch
from hypothesis import strategies as st

from tests.recsys_model.decoding.tiny_decoding import make_model

MODELS = [make_model(seed) for seed in range(3)]
FLAT = make_model(3)
with torch.no_grad():
    FLAT.word_embeddings.weight.zero_()  # all tokens are alike: items of equal branches tie
MODELS.append(FLAT)
TITLES = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple), min_size=1, max_size=14, unique=True)
