"""What the tests of releases share: keys, an application, an archive of it, and a device."""

import json
from pathlib import Path

import pytest
from release_device import Device
from release_samples import APP, LIVE, write_app

from pico_ota.release import Options, build, keygen


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Two key pairs: what devices trust, and another."""
    top = tmp_path_factory.mktemp("keys")
    return keygen(top / "mine", bits=2048), keygen(top / "other", bits=2048)


@pytest.fixture(scope="session")
def trusted(keys):
    """The content of public.json, as an application would hold it."""
    return json.loads(keys[0].public.read_text())


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    return write_app(tmp_path_factory.mktemp("app"), APP)


@pytest.fixture(scope="session")
def make_release(app, keys, tmp_path_factory):
    """Build a release of APP: make_release(version="2.0.0", sign=True, key=None, **options)."""
    top = tmp_path_factory.mktemp("releases")
    made = {}

    def make(version="2.0.0", sign=True, key=None, folder=app, **options):
        chosen = (key or keys[0].private) if sign else None
        known = (version, chosen, folder, repr(options))
        if known not in made:
            options.setdefault("delete", ("/lib/gone.py",))
            output = Path(top / f"{len(made)}.swu")
            build(folder, output, version, Options(**options), sign_key=chosen)
            made[known] = output
        return made[known]

    return make


@pytest.fixture(scope="session")
def archive(make_release):
    """A signed release of APP for both boards, as bytes."""
    return make_release().read_bytes()


@pytest.fixture(scope="session")
def _device():
    device = Device(LIVE)
    yield device
    device.close()


@pytest.fixture
def device(_device):
    """A device with LIVE on it that has never seen a release."""
    _device.ask("reset")
    return _device
