"""Loss, adapters and optimiser settings; no Ray, no DeepSpeed."""
