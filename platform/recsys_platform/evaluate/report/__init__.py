"""The report as text: a document of blocks, what renders it, plots, and words for methods and metrics; no Ray, no model."""
