"""Folders of published data sets become the tables of the input contract."""
