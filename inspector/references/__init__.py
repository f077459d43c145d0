"""Independent witnesses: each takes a model and inputs and says what it saw. None knows a formula of this project."""
