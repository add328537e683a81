"""The one exception for input that the user can mend."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Input is wrong: the message says what was given, what is allowed, what to do.

    Commands print the message as one line and exit with code 2.
    """
