"""`import compile_doctor.auto`, before or after torch: applies the default recipes for this environment.

Each is applied when the module of torch that it fixes is imported; this module imports nothing of torch.
`COMPILE_DOCTOR_PATCHES` (auto, none, or ids) chooses other recipes, `COMPILE_DOCTOR_DISABLE` (1 or ids) disables them.
A recipe that was refused or failed is one line in the log `compile_doctor`, and in `compile_doctor.status()`.
"""

from __future__ import annotations

from compile_doctor.recipes.waiting import start

start()
