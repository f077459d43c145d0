"""Independent witnesses: each takes a model and its inputs and says what it saw. None knows a formula of this project."""
