"""Home Assistant's core with its MQTT integration; run by the Python that it is installed in.

    python home_assistant.py FOLDER PORT

Prints a JSON line for each state of an update entity, and takes lines such as
``install update.kitchen`` on standard input.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

from homeassistant import bootstrap, config_entries, core, loader
from homeassistant.setup import async_setup_component


async def run(folder, port):
    Path(folder, "configuration.yaml").touch()
    hass = core.HomeAssistant(folder)
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await hass.config_entries.async_initialize()
    await bootstrap.async_load_base_functionality(hass)
    # A web server that nobody here asks, at a fixed port.
    hass.config.components |= {"http", "file_upload"}
    entry = config_entries.ConfigEntry(
        version=1,
        minor_version=1,
        domain="mqtt",
        title="broker",
        data={"broker": "127.0.0.1", "port": port, "discovery": True},
        source="user",
    )

    @core.callback
    def changed(event):
        state = event.data["new_state"]
        if state is not None and state.domain == "update":
            row = {"entity": state.entity_id, "state": state.state}
            print(json.dumps(row | dict(state.attributes), default=str), flush=True)

    hass.bus.async_listen("state_changed", changed)
    await async_setup_component(hass, "homeassistant", {})
    await hass.config_entries.async_add(entry)
    await hass.async_start()
    print(json.dumps({"ready": entry.state.value}), flush=True)
    while True:
        line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        if not line:
            break
        verb, name = line.split()
        await hass.services.async_call("update", verb, {"entity_id": name}, blocking=True)
    await hass.async_stop()


logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
asyncio.run(run(sys.argv[1], int(sys.argv[2])))
