# What other ways of updating do on the board, for bench/compare.py. Written from their public
# descriptions, as stand-ins that cost the flash and the network what the originals cost them.
import asyncio
import hashlib
import struct
from binascii import b2a_base64

_PORT = 8266
_PASSWORD = b"bench"
_KEY = b"Sec-WebSocket-Key: "
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
_REQUEST = "<2sBBQLH64s"  # signature, operation, 3 fields, length of the name, name
_PUT_FILE = 1
_PIECE = 512  # what the original's C code hands to the file system at once


async def start_webrepl():
    await asyncio.start_server(_serve, "0.0.0.0", _PORT)


async def _serve(reader, writer):
    # One file for each connection, as webrepl_cli.py sends them: written in place, not checked.
    await _shake_hands(reader, writer)
    await _send(writer, b"Password: ", 0x81)
    password = await reader.readexactly(await _frame(reader))
    if password.strip() == _PASSWORD:
        await _send(writer, b"\r\nWebREPL connected\r\n>>> ", 0x81)
        head = b""
        while len(head) < struct.calcsize(_REQUEST):
            head += await reader.readexactly(await _frame(reader))
        _, operation, _, _, size, length, name = struct.unpack(_REQUEST, head)
        if operation == _PUT_FILE:
            await _take_file(reader, writer, name[:length].decode(), size)
    writer.close()
    await writer.wait_closed()


async def _shake_hands(reader, writer):
    key = b""
    while True:
        line = await reader.readline()
        if line == b"\r\n":
            break
        if line.startswith(_KEY):
            key = line[len(_KEY) :].strip()
    accept = b2a_base64(hashlib.sha1(key + _GUID).digest()).strip()
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    await writer.drain()


async def _take_file(reader, writer, path, size):
    with open(path, "wb") as out:
        await _send(writer, b"WB\0\0")
        while size:
            left = await _frame(reader)
            size -= left
            while left:
                piece = await reader.read(min(_PIECE, left))
                out.write(piece)
                left -= len(piece)
    await _send(writer, b"WB\0\0")


async def _frame(reader):
    size = (await reader.readexactly(2))[1] & 0x7F
    if size == 126:
        (size,) = struct.unpack(">H", await reader.readexactly(2))
    return size


async def _send(writer, data, kind=0x82):
    writer.write(bytes((kind, len(data))) + data)
    await writer.drain()


def download(host, project, version, names):
    """Fetch file after file as micropython-ota does: each whole into memory, then over the old."""
    import requests

    for name in names:
        response = requests.get("%s/%s/%s_%s" % (host, project, version, name), timeout=30)
        text = response.text
        response.close()
        if response.status_code != 200:
            raise OSError(response.status_code)
        with open(name, "w") as file:
            file.write(text)
    with open("version", "w") as file:
        file.write(version)
