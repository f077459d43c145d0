"""Every suite, one after the other: ``python -m benchmarks [--quick] [--out DIR]``."""

from benchmarks import inspection, toeplitz

if __name__ == "__main__":
    inspection.main()
    toeplitz.main()
