"""The paper's claims one by one: a variant of the run for each, trained and compared with it over several seeds."""
