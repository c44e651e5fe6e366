"""What training minimises: one file an objective, with its constants and one function."""
