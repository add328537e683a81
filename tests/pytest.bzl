"""One Bazel test per pytest file."""

_RUNNER = "//tests:run_pytest.py"

def pytest_tests(exclude = [], deps = []):
    """Defines a test for each test_*.py of the package; its other sources are their helpers.

    Args:
      exclude: files that only a whole checkout can run.
      deps: what the tests and their helpers import, and the commands that they start.
    """
    helpers = native.glob(["*.py"], exclude = ["test_*.py"])
    for file in native.glob(["test_*.py"], exclude = exclude):
        native.py_test(
            name = file[:-len(".py")],
            srcs = [file, _RUNNER],
            args = ["$(location %s)" % file],
            data = helpers,
            # An empty __init__.py beside the tests would make them a package for pytest.
            legacy_create_init = False,
            main = _RUNNER,
            deps = ["//tests:helpers"] + deps,
        )
