"""Published generative recommenders: items known by semantic ids, served by the trie search."""
