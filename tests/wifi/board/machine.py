"""A board whose number ends in a1b2c3."""


def unique_id():
    return b"\xe6\x61\x41\x03\x00\xa1\xb2\xc3"
