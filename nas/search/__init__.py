"""Search: Optuna proposes, Ray Tune places, the study database remembers."""
