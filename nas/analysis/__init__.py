"""Statistics and figures over frames of studies. No torch, no ray, no SQL."""
