"""Trie-guided generation of items."""
