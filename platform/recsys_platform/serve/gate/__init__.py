"""What every HTTP request passes before it reaches the API: plain ASGI middleware that knows neither Ray nor models."""
