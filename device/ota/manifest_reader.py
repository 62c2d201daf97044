"""Reads a manifest in pieces of any size. No disk, no network.

A manifest is a JSON object; its members come in any order, unknown ones are ignored:

    {"version": "2.0.0", "trial": true,
     "files": [{"path": "/lib/x.py", "size": 123, "sha256": "<64 hex>"}], "delete": ["/old.py"]}

Its length comes from outside, so it is never held: Reader.feed() yields each member as it ends.
"""

from micropython import const

from ota import paths
from ota.errors import Refused
from ota.manifest import MAX_VERSION

_MAX_BYTES = const(500000)
_MAX_TEXT = const(256)
_MAX_NUMBER = const(24)
_MAX_DEPTH = const(8)

# What the grammar wants next.
_VALUE, _VALUE_OR_END, _KEY_OR_END, _KEY, _COLON, _COMMA, _DONE = (0, 1, 2, 3, 4, 5, 6)
# What the tokenizer is in.
_BETWEEN, _STRING, _ESCAPE, _UNICODE, _WORD = (0, 1, 2, 3, 4)

_ESCAPES = {34: 34, 92: 92, 47: 47, 98: 8, 102: 12, 110: 10, 114: 13, 116: 9}
_WORDS = {b"true": True, b"false": False, b"null": None}


class Reader:
    """Reads a manifest in pieces of any size; holds one entry, whatever comes."""

    def __init__(self):
        self._mode = _BETWEEN
        self._want = _VALUE
        self._stack = []  # "{" and "["
        self._text = bytearray(_MAX_TEXT)
        self._length = 0
        self._code = 0
        self._digits = 0
        self._high = 0
        self._top = None  # the member of the manifest that we are in
        self._inner = None  # the member of the file that we are in
        self._seen = []
        self._file = None
        self._count = 0

    def feed(self, data):
        """Yield what the bytes *data* complete: ("version", text), ("trial", flag),
        ("file", path, size, sha256) and ("delete", path). Raises Refused(400 or 413)."""
        for byte in data:
            self._count += 1
            mode = self._mode
            if mode == _STRING:
                if byte == 34:
                    self._mode = _BETWEEN
                    event = self._string()
                    if event:
                        yield event
                elif byte == 92:
                    self._mode = _ESCAPE
                elif byte < 32:
                    self._fail("control")
                else:
                    self._put(byte)
            elif mode == _ESCAPE:
                self._escape(byte)
            elif mode == _UNICODE:
                self._hex(byte)
            else:
                if mode == _WORD:
                    if byte not in b' \t\r\n,:[]{}"':
                        self._put(byte)
                        continue
                    self._mode = _BETWEEN
                    event = self._word()
                    if event:
                        yield event
                if byte not in b" \t\r\n":
                    event = self._start(byte)
                    if event:
                        yield event
        if self._count > _MAX_BYTES:
            raise Refused(413, "too_large/manifest", _MAX_BYTES)

    def close(self):
        """Raises Refused(400) unless the manifest was complete."""
        if self._want != _DONE or self._mode != _BETWEEN:
            self._fail("end")

    def _fail(self, what, *args):
        raise Refused(400, "bad_manifest/" + what, self._count, *args)

    # tokens

    def _put(self, byte):
        if self._length < _MAX_TEXT:
            self._text[self._length] = byte
        self._length += 1  # past the end: only counted, so that it can be refused or skipped

    def _taken(self):
        """Return the collected bytes, or None when there were too many to keep."""
        length, self._length = self._length, 0
        return bytes(self._text[:length]) if length <= _MAX_TEXT else None

    def _start(self, byte):
        if self._want == _DONE:
            self._fail("more")
        char = chr(byte)
        if char == '"':
            self._mode = _STRING
        elif char in "{[":
            self._open(char)
        elif char in "}]":
            return self._close(char)
        elif char == ":" and self._want == _COLON:
            self._want = _VALUE
        elif char == "," and self._want == _COMMA:
            self._want = _KEY if self._stack[-1] == "{" else _VALUE
        elif char in "-0123456789tfn":
            self._mode = _WORD
            self._put(byte)
        else:
            self._fail("char", char)
        return None

    def _escape(self, byte):
        if byte == 117:  # u
            self._mode, self._code, self._digits = _UNICODE, 0, 0
            return
        if byte not in _ESCAPES:
            self._fail("escape")
        self._mode = _STRING
        self._put(_ESCAPES[byte])

    def _hex(self, byte):
        digit = "0123456789abcdef".find(chr(byte).lower())
        if digit < 0:
            self._fail("escape")
        self._code = self._code << 4 | digit
        self._digits += 1
        if self._digits < 4:
            return
        self._mode = _STRING
        code = self._code
        if 0xDC00 <= code < 0xE000 and self._high:
            code = 0x10000 + ((self._high - 0xD800) << 10 | code - 0xDC00)
            self._high = 0
        elif 0xD800 <= code < 0xDC00 and not self._high:
            self._high = code
            return
        elif 0xD800 <= code < 0xE000:
            self._fail("surrogate")
        for part in chr(code).encode():
            self._put(part)

    def _string(self):
        if self._high:
            self._fail("surrogate")
        raw = self._taken()
        text = None
        if raw is not None:
            try:
                paths.check_utf8(raw)
            except ValueError:
                self._fail("utf8")
            text = raw.decode()
        if self._want in (_KEY, _KEY_OR_END):
            self._key(text)
            return None
        return self._scalar(text if text is not None else False, True)

    def _word(self):
        raw = self._taken()
        if raw in _WORDS:
            return self._scalar(_WORDS[raw], False)
        if raw is None or len(raw) > _MAX_NUMBER:
            self._fail("number")
        for byte in raw:
            if byte not in b"0123456789+-.eE":
                self._fail("word")
        whole = raw.isdigit() and (raw == b"0" or raw[0] != 48)
        return self._scalar(int(raw) if whole else -1, False)

    # grammar

    def _key(self, text):
        depth = len(self._stack)
        self._want = _COLON
        if depth == 1:
            self._top = text
            if text in ("version", "trial", "files", "delete"):
                if text in self._seen:
                    self._fail("twice", text)
                self._seen.append(text)
        elif depth == 3 and self._file is not None:
            self._inner = text
            if text in self._file:
                self._fail("twice", text)

    def _open(self, char):
        if self._want not in (_VALUE, _VALUE_OR_END):
            self._fail("char", char)
        depth = len(self._stack)
        if depth == _MAX_DEPTH:
            self._fail("deep")
        if depth == 0:
            good = char == "{"
        elif depth == 1:
            good = self._top not in ("version", "trial")
            if self._top in ("files", "delete"):
                good = char == "["
        elif depth == 2 and self._top == "files":
            good = char == "{"
            self._file = {}
        elif depth == 2 and self._top == "delete":
            good = False
        else:
            good = self._file is None or self._inner not in ("path", "size", "sha256")
        if not good:
            self._fail("type", self._inner or self._top or "it")
        self._stack.append(char)
        self._want = _KEY_OR_END if char == "{" else _VALUE_OR_END

    def _close(self, char):
        opened = "{" if char == "}" else "["
        ends = (_COMMA, _KEY_OR_END) if char == "}" else (_COMMA, _VALUE_OR_END)
        if not self._stack or self._stack[-1] != opened or self._want not in ends:
            self._fail("char", char)
        self._stack.pop()
        depth = len(self._stack)
        self._want = _COMMA if depth else _DONE
        if depth == 2 and self._file is not None:
            file, self._file, self._inner = self._file, None, None
            for member in ("path", "size", "sha256"):
                if member not in file:
                    self._fail("member", member)
            return "file", file["path"], file["size"], file["sha256"]
        return None

    def _scalar(self, value, is_text):
        if self._want not in (_VALUE, _VALUE_OR_END) or not self._stack:
            self._fail("value")
        self._want = _COMMA
        depth = len(self._stack)
        if depth == 1 and self._top in ("version", "trial", "files", "delete"):
            if self._top == "version" and is_text:
                return "version", value or "?" * (MAX_VERSION + 1)
            if self._top == "trial" and isinstance(value, bool) and not is_text:
                return "trial", value
            self._fail("type", self._top)
        if depth == 2 and self._top in ("files", "delete"):
            if self._top == "files" or not is_text:
                self._fail("holds", self._top)
            return "delete", self._long(value)
        if depth == 3 and self._file is not None and self._inner in ("path", "size", "sha256"):
            if is_text != (self._inner != "size"):
                self._fail("type", self._inner)
            self._file[self._inner] = self._long(value) if is_text else value
        return None

    def _long(self, value):
        if value is False:
            raise Refused(400, "bad_path/long", paths.MAX_PATH)
        return value
