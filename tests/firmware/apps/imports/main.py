# Every module of the updater loads on this firmware, one after the other.
import gc
import sys

import ota

failed, names = [], []
with open("/ota/modules.pack", "rb") as index:
    for line in index:
        if line == b"\n":
            break  # the modules follow
        names.append(line.decode().split(".")[0])
for name in names:
    if name not in ("mounted", "rescue"):  # of an application's own Microdot; a start of its own
        try:
            ota.load(name)
        except Exception as error:
            failed.append(name)
            sys.print_exception(error)
        ota.unload()
        gc.collect()
for name in ("manager_wifi", "service_ota", "ota_boot"):
    __import__(name)
ota.load("rescue")
print("IMPORTED", len(names) > 15 and not failed)
