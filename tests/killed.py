"""A death in the middle of things, inside the process that tests."""


class Killed(BaseException):
    """Stands for kill -9: nothing of the run gets a say."""
