"""The machinery: it cuts, runs, records, checks and publishes the recipes, and knows none of them by name."""
