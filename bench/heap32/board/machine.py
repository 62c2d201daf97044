"""`machine` for bench/heap32."""


def unique_id():
    return b"\xe6\x61\x41\x03\x00\xa1\xb2\xc3"


def reset():
    raise SystemExit("machine.reset()")
