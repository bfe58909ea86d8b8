"""The data stage on Ray Data: interaction tables become training examples."""
