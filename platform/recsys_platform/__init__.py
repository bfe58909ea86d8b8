"""The platform around `recsys_model`: Ray Data, Train, Tune and Serve, and the command line."""
