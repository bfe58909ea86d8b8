"""The changes of RecSysLLM to GLM: masks, spans and positions that respect entities."""
