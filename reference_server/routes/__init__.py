"""The 18 operations, one module per group."""
