"""The report: its typed content, sections of text blocks, plots, and renderers to HTML and Markdown. No Ray or torch."""
