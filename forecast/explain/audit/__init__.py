"""The audit: does a model use its context, and does it use it rightly? One module a part."""
