"""The program of every Bazel test: pytest on the file that its argument names."""

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:]))
