"""Fair draws of settings under limits."""
