"""Uploads archives to a gooseBit of its own: goosebit_upload.py FOLDER ARCHIVE...

Prints a line of JSON: what the server then lists, or the status that it answered with.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])
os.environ["GOOSEBIT_DB_URI"] = f"sqlite://{FOLDER}/db.sqlite3"
os.environ["GOOSEBIT_ARTIFACTS_DIR"] = str(FOLDER / "artifacts")
os.chdir(FOLDER)

import httpx  # noqa: E402
from goosebit import app  # noqa: E402
from goosebit.db.config import TORTOISE_CONF  # noqa: E402
from goosebit.settings import PWD_CXT  # noqa: E402
from goosebit.users import create_initial_user  # noqa: E402
from tortoise import Tortoise  # noqa: E402


async def main():
    await Tortoise.init(config=TORTOISE_CONF)
    await Tortoise.generate_schemas()
    await create_initial_user("admin@example.org", PWD_CXT.hash("secret"))
    transport = httpx.ASGITransport(app=app)
    answers = []
    async with httpx.AsyncClient(transport=transport, base_url="http://goosebit") as client:
        form = {"username": "admin@example.org", "password": "secret"}
        token = (await client.post("/login", data=form)).raise_for_status().json()
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        for name in sys.argv[2:]:
            files = {"file": (Path(name).name, Path(name).read_bytes())}
            answer = await client.put("/api/v1/software", files=files, headers=headers)
            answers.append(answer.status_code)
        listed = (await client.get("/api/v1/software", headers=headers)).raise_for_status()
    await Tortoise.close_connections()
    print(json.dumps({"answers": answers, "software": listed.json()["software"]}))


asyncio.run(main())
