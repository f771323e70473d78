"""The catalogue: its schema, its files, its consistency, and its facts for ``compat``."""
