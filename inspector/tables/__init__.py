"""Published tables of architectures: read one, solve for what it hides, build the model."""
