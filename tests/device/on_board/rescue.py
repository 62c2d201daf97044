"""ota/rescue.py: the console that it opens."""

import sys

from harness import raises


class USBDevice:
    """As in the rp2 port: active(True) starts USB, unless there is no driver to serve it."""

    BUILTIN_NONE, BUILTIN_DEFAULT = 0, 1
    made = []

    def __init__(self):
        self.builtin_driver = self.BUILTIN_NONE
        self.started = False
        self.made.append(self)

    def active(self, value):
        if value and self.builtin_driver == self.BUILTIN_NONE:
            raise OSError(22)
        self.started = value


class Machine:
    pass


def _open_console(machine):
    from ota import rescue

    sys.modules["machine"] = machine
    rescue._open_console()


def test_usb_is_started_since_boot_py_runs_before_the_firmware_does_it():
    Machine.USBDevice = USBDevice
    _open_console(Machine)
    assert [usb.started for usb in USBDevice.made] == [True]


def test_a_firmware_without_it_is_served_over_the_network():
    _open_console(Machine)


def test_long_settings_leave_out_what_a_board_is_found_without():
    from ota import settings

    found = {"ssid": "net", "password": "p" * 60, "public_key": None, "user": "u"}
    long = {"hosts": ["%d.example" % n * 9 for n in range(6)], "name": "n" * 90}
    settings.save(dict(found, **long))
    saved = settings.load()
    assert (saved["ssid"], saved["name"], "hosts" in saved) == ("net", "n" * 90, False)
    settings.save(dict(found, name="n" * 500))
    assert settings.load() == {name: found[name] for name in ("ssid", "password", "user")}
    raises(OSError, settings.save, dict(found, user="u" * 500))
    assert settings.load()["user"] == "u"


def test_the_address_to_listen_at_is_not_kept_since_a_router_may_give_another_one():
    from ota import settings

    class Service:
        wifi_service = require_signed = min_version = public_key = name = fleet = None
        auth, basic, wanted_port, trial_deadline_s = ("admin", "otapico"), True, 8080, 180
        rescue_network = ("net", "key of it")
        allowed_hosts, rescue_ap, discoverable, host = (), False, True, "192.168.1.7"

    found = settings.settings_of(Service())
    assert found["ssid"] == "net"
    assert "192.168.1.7" not in str(found)
