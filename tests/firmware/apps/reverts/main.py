# An update without a network: staged, committed, on trial, dead, and undone by the guard.
import hashlib
import machine
from binascii import hexlify

from ota import transaction

NEW = b"raise ValueError('the new program is broken')\n"

status = transaction.status()
if status["last"]:
    print("OUTCOME", status["last"]["outcome"], status["last"]["reason"])
    print("STATE", status["state"], status["version"])
else:
    update = transaction.begin("2.0.0", trial=20)
    update.add_file("/main.py", len(NEW), hexlify(hashlib.sha256(NEW).digest()).decode())
    update.seal()
    writer = transaction.open_file("/main.py")
    writer.write(memoryview(NEW))
    writer.close()
    transaction.commit()
    print("COMMITTED")
    machine.reset()
