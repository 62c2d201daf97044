"""What is downloaded: only what the board lacks, and nothing twice."""

import random

PARTS = {f"lib/part{n}.py": f"# {n}\n" + "x = 1\n" * 3000 for n in range(6)}


def spans(release):
    """Return {name in the archive: (first byte of its content, after the last)}."""
    found, at = {}, 0
    while True:
        size, length = int(release[at + 54 : at + 62], 16), int(release[at + 94 : at + 102], 16)
        name = release[at + 110 : at + 110 + length - 1].decode()
        if name == "TRAILER!!!":
            return found
        begin = at + 110 + length
        begin += -begin % 4
        found[name] = (begin, begin + size)
        at = begin + size + -size % 4


def lib(release):
    return {name: span for name, span in spans(release).items() if "part" in name}


def test_only_what_changed_is_downloaded(server, make_board, make_release):
    board = make_board(server)
    first = make_release("2.0.0", PARTS)
    server.offer(first)
    server.told("closed", "success")
    server.withdraw()
    server.feedback.clear()
    server.served.clear()
    changed = {**PARTS, "lib/part3.py": "# changed\n"}
    second = make_release("2.0.1", changed)
    server.offer(second, "2.0.1", "2")
    server.told("closed", "success")
    assert board.status()["version"] == "2.0.1"
    for name, (begin, end) in lib(second).items():
        if "part0" in name:
            continue  # how long the head is, is only known when it is here
        fetched = any(first < end and begin < after for first, after in server.served)
        assert fetched == ("part3" in name), name


def test_progress_is_told(server, make_board, make_release):
    make_board(server)
    many = {f"lib/p{n}.py": f"x = {n}\n" * 200 for n in range(40)}
    server.offer(make_release("2.0.0", many))
    server.told("closed", "success")
    told = [" ".join(d) for _, e, _, d in server.feedback if e == "download"]
    assert told
    assert all(text.startswith("Downloaded ") and text.endswith("%") for text in told)
    assert len(server.feedback) < 10


def test_without_ranges_all_is_read_once(server, make_board, make_release):
    server.ranges = False
    board = make_board(server)
    release = make_release("2.0.0", PARTS)
    server.offer(release)
    server.told("downloaded")
    assert server.served == [(0, len(release))]
    server.told("closed", "success")
    assert board.status()["version"] == "2.0.0"


def test_twenty_cuts_cost_no_byte_of_a_complete_file_twice(server, make_board, make_release):
    chance = random.Random(13)
    cuts = [chance.randrange(200, 9000) for _ in range(20)]
    server.cut = lambda number: cuts[number - 1] if number <= len(cuts) else None
    make_board(server)
    release = make_release("2.0.0", PARTS)
    server.offer(release)
    server.told("closed", "success", 120)
    assert len(server.served) > 20
    for name, (begin, end) in lib(release).items():
        sent = sum(max(0, min(after, end) - max(first, begin)) for first, after in server.served)
        assert sent >= end - begin, name
        # Bytes that were on their way when the connection was cut may be sent again.
        again = sum(first < end and begin < after for first, after in server.served)
        assert sent <= end - begin + again * 9000, name


def test_a_restart_in_the_middle_goes_on_where_it_was(server, make_board, make_release):
    release = make_release("2.0.0", PARTS)
    server.offer(release)
    half = lib(release)["0005-part3.py"][0] if "0005-part3.py" in lib(release) else 40000
    sent = []

    def cut(number):
        sent.append(number)
        first = server.downloads[-1][0]
        if not server.answers and first <= half:
            return max(0, half - first)
        return 0

    server.cut = cut
    board = make_board(server)
    board.pico.wait_console("Fleet: The connection", 60)
    before = list(server.served)
    board.pico.power_cut()
    server.cut = lambda number: None
    server.served.clear()
    board.pico.start()
    board.pico.wait_listening(30)
    server.told("closed", "success")
    begin = min(span[0] for span in lib(release).values())
    done = max(after for _, after in before)
    complete = [span for span in lib(release).values() if span[1] <= done]
    assert complete
    for first, after in server.served:
        assert after > begin  # the head was not asked for again
        assert not any(first < span[1] and span[0] < after for span in complete)


def test_another_file_under_the_same_address_is_begun_anew(server, make_board, make_release):
    old, new = (
        make_release("2.0.0", PARTS),
        make_release("2.0.0", {**PARTS, "lib/new.py": "n = 1\n"}),
    )
    server.offer(old)
    swapped = []

    def cut(number):
        if number == 1 and not swapped:
            swapped.append(True)
            server.offer(new)
        return None

    server.cut = cut
    board = make_board(server)
    server.told("closed", "success", 90)
    board.pico.power_cut()
    assert board.tree()["/lib/new.py"]
