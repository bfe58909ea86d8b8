"""What RecSysLLM changes in GLM: masks, spans and positions that respect entities."""
