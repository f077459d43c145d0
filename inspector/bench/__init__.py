"""Time of a model beside the time that its device cannot go below."""
