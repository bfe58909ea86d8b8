"""Convert folders of published data sets to the tables of the input contract."""
