"""Loads the probe in every Python process of `compile-doctor run`; found because its folder is first on PYTHONPATH."""

import os
import sys


def _chain() -> None:
    """Runs the sitecustomize that this one hides, if there is one."""
    import importlib.machinery
    import importlib.util

    here = os.path.dirname(os.path.abspath(__file__))
    path = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


def _observe() -> None:
    directory = os.environ.get("COMPILE_DOCTOR_CAPTURE")
    arguments = getattr(sys, "orig_argv", sys.argv)
    # Inductor's compile workers import torch but compile no frames: there is nothing to observe, and they start often.
    if not directory or not os.path.isdir(directory) or any("compile_worker" in argument for argument in arguments):
        return
    # The program may use another Python than the doctor: add only this package, not the doctor's site-packages.
    root = os.path.dirname(
        os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    )
    sys.path.append(root)
    try:
        from compile_doctor.probe.entry.program import observe
        from compile_doctor.recipes import waiting
    finally:
        sys.path.remove(root)
    if os.environ.get("COMPILE_DOCTOR_PATCHES", "none") != "none":
        waiting.start()
    observe(directory)


try:
    _chain()
finally:
    try:
        _observe()
    except Exception as error:  # the user's program must start whatever happens here
        print(f"compile-doctor: this process is not observed: {type(error).__name__}: {error}", file=sys.stderr)
