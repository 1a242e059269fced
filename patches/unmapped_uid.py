"""The default cache folder is named after the user's number if the number has no name."""

import os
import tempfile


def default_cache_dir(original):
    def without_a_name():
        try:
            return original()
        except (KeyError, OSError):  # what getpass.getuser() raises, the latter from Python 3.13 on
            # As torch 2.13 names it, so that an update finds the caches again.
            return os.path.join(tempfile.gettempdir(), f"torchinductor_uid_{os.getuid()}")

    return without_a_name
