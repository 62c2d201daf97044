# Every module of the updater loads on this firmware, one after the other.
import gc
import os
import sys

from ota import let_go

failed = []
for name in sorted(os.listdir("/ota")):
    module = name.split(".")[0]
    if name.endswith(".mpy") and module not in ("__init__", "rescue"):
        gc.collect()
        try:
            __import__("ota." + module)
        except Exception as error:
            failed.append(module)
            sys.print_exception(error)
        let_go()
for name in ("manager_wifi", "service_ota", "ota_boot", "ota.rescue"):
    __import__(name)
gc.collect()
print("IMPORTED", not failed)
