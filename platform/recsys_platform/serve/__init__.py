"""The HTTP endpoint: bundle, recommender, Ray Serve application and its client."""
