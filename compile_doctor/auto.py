"""`import compile_doctor.auto`, before or after torch: applies the default recipes that are about this environment.

Each is applied when the module of torch that it mends is imported; nothing of torch is imported here. `COMPILE_DOCTOR_PATCHES`
(auto, none, or ids) chooses others, `COMPILE_DOCTOR_DISABLE` (1 or ids) none. What was refused or failed is one line in
the log `compile_doctor`, and in `compile_doctor.status()`.
"""

from __future__ import annotations

from compile_doctor.recipes.waiting import start

start()
