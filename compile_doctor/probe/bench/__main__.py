"""The child process of `bench`: lists what it can measure (`plan`), or measures one case at one size.

Started by compile_doctor.bench.run with one argument, the path of a JSON file with the settings; it writes events.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from compile_doctor.capture import schema
from compile_doctor.probe.entry.limits import limit_memory
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.recipes import waiting


def main(settings_file: str) -> int:
    settings: dict[str, Any] = json.loads(Path(settings_file).read_text(encoding="utf-8"))
    log = EventLog(Path(settings["directory"]))
    if settings.get("memory_limit"):
        limit_memory(log, int(settings["memory_limit"]))
    sys.argv = [settings["target"] or "compile-doctor"]  # the target must not find the doctor's arguments
    if settings.get("patches"):
        waiting.start(settings["patches"])
    from compile_doctor.probe.bench.work import plan, work
    from compile_doctor.probe.load import NotATargetError
    from compile_doctor.probe.observe.failures import describe

    try:
        (plan if settings["run"] == "plan" else work)(settings, log)
    except KeyboardInterrupt:
        return 130
    except NotATargetError as error:
        log.write(schema.NotATarget(message=str(error)))
    except BaseException as error:  # the target's own, at import or build: recorded, without a traceback
        log.write(schema.Raised(**describe(error)))
        return 70
    finally:
        if settings.get("patches"):
            log.write(schema.Patches(recipes=waiting.outcomes()))
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)
