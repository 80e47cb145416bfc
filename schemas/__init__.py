"""The contract as data: OpenAPI document, requirements, event catalogue and grammar."""
