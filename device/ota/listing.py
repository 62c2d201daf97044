"""The lists of `sw-description`: what a release deletes and installs; see docs/format.md.

    listing = Listing(text, *description.counts)
    for path in listing.deletes(): ...
    for path, size, sha256 in listing.files(): ...

Memory does not grow with the text. No disk, no network.
"""

from binascii import hexlify, unhexlify

from ota import manifest
from ota.description_text import only


class Listing:
    """What follows the conditions in *text*, a Text, with as many entries as those say."""

    def __init__(self, text, count, total, delete_count):
        self._text = text
        self._count = count
        self._bytes = total
        self._delete_count = delete_count

    def deletes(self):
        """Yield the paths to delete, in ascending order. Raises Refused."""
        self._text.expect("delete = (")
        before = ""
        for left in range(self._delete_count, 0, -1):
            line = self._item(left)
            if len(line) < 2 or line[0] != '"' or line[-1] != '"':
                self._text.fail(line)
            before = self._path(line[1:-1], before)
            yield before
        self._text.expect(");", "};")

    def files(self):
        """Yield (path, size, sha256) of each file, in ascending order, after deletes().

        Raises Refused.
        """
        self._text.expect("files = (")
        before = ""
        total = 0
        for left in range(self._count, 0, -1):
            path, size, sha = self._file(self._item(left), self._count - left + 1)
            before = self._path(path, before)
            total += size
            yield path, size, sha
        self._text.expect(");", "};")
        self._text.end()
        if total != self._bytes:
            self._text.fail("the sizes do not add up")

    def _item(self, left):
        line = self._text.take()
        if left == 1:
            return line
        if line[-1:] != ",":
            self._text.fail(line)
        return line[:-1]

    def _file(self, line, number):
        # Nothing inside the quotes may hold a quote, so they part the line without a parser; and
        # what was understood has to give the same line again.
        try:
            _, name, _, path, _, sha, size, check, _ = line.split('"')
            size, check = int(size[9:-11]), int(check, 16)
            good = hexlify(unhexlify(sha)).decode() == sha and len(sha) == 64
        except ValueError:
            self._text.fail(line)
        stem = name[5:]
        if (
            not good
            or not 0 <= size < 1000000000
            or (size == 0 and sha != manifest.EMPTY)
            or not 0 < len(stem) <= 48
            or not only(stem, "._-", "AZaz09")
            or line
            != '{ filename = "%04d-%s"; path = "%s"; sha256 = "%s"; size = %d; chksum = "%08X"; }'
            % (number, stem, path, sha, size, check)
        ):
            self._text.fail(line)
        return path, size, sha

    def _path(self, path, before):
        manifest.check_path(path)
        if path <= before or '"' in path:
            self._text.fail(path)
        return path
