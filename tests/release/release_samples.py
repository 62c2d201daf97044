"""What is on the device before a release, and what the release brings."""

# On the device before any release: one file that stays as it is, one that changes, one that goes.
LIVE = {
    "/boot.py": b"import ota_boot\nota_boot.run()\n",
    "/ota_boot.mpy": b"M\6\3\x1f",  # the guard, which nobody here looks into
    "/main.py": b"print('old')\n",
    "/lib/same.py": b"SAME = 1\n" * 100,
    "/lib/gone.py": b"GONE = 1\n",
}
APP = {
    "main.py": b"import same\nprint('new')\n" * 30,
    "lib/same.py": LIVE["/lib/same.py"],
    "lib/new.py": b"NEW = 1\n" * 700,
    "www/empty.txt": b"",
    "www/page one.html": b"<p>\n" * 333,
}


def write_app(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
