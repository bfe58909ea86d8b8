"""Questions of the task families about held-out events: cases, answers, baselines and metrics."""
