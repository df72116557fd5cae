"""Runs Redis, Celery workers and Django for a test, on this machine or in containers, and ends them afterward."""
