"""The errors that a user sees, each with the exit code of the contract."""

from __future__ import annotations


class DoctorError(Exception):
    """Something the user can act on; printed as one message on stderr, never as a traceback."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(DoctorError):
    """A wrong argument, file or configuration: exit code 2."""


class CaptureError(DoctorError):
    """A capture that cannot be read: exit code 2."""


class InconclusiveError(DoctorError):
    """The run could not answer the question: exit code 3, never a pass."""

    exit_code = 3
