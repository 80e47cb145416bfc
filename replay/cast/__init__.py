"""Shapes recordings: what is behind ``pollux cast``. Everything streams, nothing is held whole."""
