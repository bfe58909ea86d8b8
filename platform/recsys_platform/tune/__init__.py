"""The search for the LoRA rank with Ray Tune (Figure 3 of the paper)."""
