"""Everything that can go wrong, one effect in each module."""
