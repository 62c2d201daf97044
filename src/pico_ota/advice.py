"""What to do about it: one table, by the word of what went wrong."""

from __future__ import annotations

from collections.abc import Container

from .errors import RefusedError

ADVICE = {
    # Words of a device. What it says itself is for programs: which header to send, say.
    "busy": "If it was yours and broke off, the same push goes on with it; any other may begin "
    "when nobody has touched it for two minutes.",
    "low_memory": "'pico-ota reboot --rescue' leaves the application out: try again then.",
    "not_empty": "'rm -r' deletes a folder with all that is in it.",
    "protected": "Add --protected to 'cp', 'mv' or 'rm' to change it all the same, or 'push' it.",
    "signed_only": "'pico-ota build --sign KEY' makes a release, 'pico-ota push' sends it.",
    "too_many_tries": "Wait that long, then try again with the right one.",
    "unauthorized": "Check PICO_OTA_PASSWORD or --password-file, and --user; "
    "'pico-ota install --new-settings' over USB sets a new one.",
    "unsigned": "'pico-ota build --sign KEY' makes a release, 'pico-ota push' sends it.",
    # What is wrong between here and there.
    "basic": "Either its updater is older than this command line, or somebody in between listens. "
    "--basic sends it all the same.",
    "lost": "Is the device still powered and on Wi-Fi? The same command goes on where it was.",
    "other_service": "Check --host and its port.",
    "other_version": "Update the older of device and command line.",
    "silent": "Is the device on, on this network, and is this its name? "
    "'pico-ota discover' lists the devices here.",
    "unknown_name": "Check the spelling, give the address itself (it is on the board's console), "
    "or run 'pico-ota discover'.",
}


# The option that an advice is about: who has given it needs another one.
_ABOUT = {"not_empty": "recursive", "protected": "protected", "low_memory": "rescue"}


def with_advice(error: RefusedError, given: Container[str] = ()) -> RefusedError:
    """Return *error* with our own advice in the place of the device's, where there is some.

    Args:
        error: what the device said.
        given: names of the options that the verb was called with.
    """
    advice = ADVICE.get(error.word)
    if advice is None or (error.word == "busy" and "id" not in error.details):
        return error
    if _ABOUT.get(error.word) in given:
        return error
    if error.word == "protected" and "X-OTA-Protected" not in str(error):
        return error  # the device takes it in no case
    what = str(error).split(". ")[0].rstrip(".")
    return RefusedError(error.status, error.word, f"{what}. {advice}", error.details)
