"""The client side that suite, recorder and demo share."""
