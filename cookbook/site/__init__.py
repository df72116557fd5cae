"""Builds, checks, completes, serves and publishes the site."""
