"""What can go wrong for reasons outside this program. Each is shown as its one line, never as a traceback."""


class UsageError(Exception):
    """The command line or a profile is wrong: exit code 2."""


class BadInput(Exception):
    """The user's input cannot be used (malformed data set, wrong checkpoint): say what, where and what to do."""


class Unavailable(Exception):
    """Something this cell needs is not at hand (weights, a package, a data set): recorded as `skipped`, with this text.

    Say what is missing, where it comes from and where to put it, in one line.
    """


class NotFinite(Exception):
    """A loss, feature or score became NaN or infinite: the work stops with a clear reason instead of going on."""
