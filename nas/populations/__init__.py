"""Populations of design spaces: trained alike, compared, narrowed."""
