"""RecSysLLM: a GLM that recommends by entity-aware blank infilling. Plain PyTorch, no Ray."""
