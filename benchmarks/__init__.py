"""Speed and scale of inspector beside its peers; ``python -m benchmarks`` runs every suite."""
