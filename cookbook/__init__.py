"""The machinery: it cuts, runs, records, checks and publishes recipes, and knows no recipe by name."""
