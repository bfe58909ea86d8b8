"""The settings of a run: dataclasses for each part, and the strict reading of its YAML file."""
