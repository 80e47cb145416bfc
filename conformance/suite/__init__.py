"""The checks, one module per group of the contract."""
