"""The one exception for mistakes a user can mend."""


class InputError(Exception):
    """Bad input: a file, row, key, option, checkpoint or request.

    The message is one line that names the thing, says what was expected and what to do.  The
    command line prints it without a traceback and exits with code 2.
    """
