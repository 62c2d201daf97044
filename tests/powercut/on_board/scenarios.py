"""What is cut: each scenario is a board with some files, and the steps of an update's life."""

import json
import os

import ramflash
import world

import ota_boot
from ota import record, transaction, trust
from ota.errors import Refused
from ota.flash import space

# It has what a guard has to have; the guard of the tests is the one that is tested.
_GUARD = b"supervisor = None\ndef load():\n return {}\nrun = save = load\n"


def text(name, size):
    """Return *size* bytes that look like no others."""
    line = ("# %s, line %%06d\n" % name).encode()
    out = bytearray()
    number = 0
    while len(out) < size:
        out.extend(line % number)
        number += 1
    return bytes(out[:size])


def board(**more):
    """Return the files of a board that runs: boot.py, the guard and main.py, and *more*."""
    files = {"/boot.py": world.BOOT, "/ota_boot.py": _GUARD, "/main.py": text("main 1", 700)}
    files.update(more)
    return files


def folders_of(files, *extra):
    found = set(extra)
    for path in files:
        at = path.find("/", 1)
        while at > 0:
            found.add(path[:at])
            at = path.find("/", at + 1)
    return sorted(found)


class Step:
    """One thing that happens, and the sets that may be live after a cut in it."""

    def __init__(self, name, do, allowed, ours=True):
        self.name = name
        self.do = do
        self.allowed = allowed
        self.ours = ours  # False: the application writes, and no cut is made


class Scenario:
    """A board, sets of files with their versions, and steps."""

    def __init__(
        self, name, old, new, blocks=64, full=False, trial=True, empty_folders=(), hollow=()
    ):
        self.name = name
        self.old = "old"
        self.sets = {"old": old, "new": new}
        self.versions = {"old": "1.0", "new": "2.0"}
        self.folders = {
            "old": folders_of(old, *empty_folders, *hollow),
            "new": folders_of(new, *empty_folders),
        }
        self.blocks = blocks
        self.full = full  # leave just the room that the update asks for
        self.guard_from_image = False
        self.bare = False  # never updated before
        self.ignore = ()  # files of the application that come and go meanwhile
        self.trial = trial
        self.unproven = ()  # sets that differ by files changed by hand
        self.steps = []
        self.empty_folders = empty_folders + hollow  # the second lie in folders that go

    def prepare(self):
        """Return a flash with the old set on it, installed by an update as version 1.0."""
        world.from_image = self.guard_from_image
        world.registers = None
        flash = self._build(0)
        if self.full:
            filler = space()[0]
            while not self._begins(filler):
                filler -= ramflash.BLOCK
            flash = self._build(filler)
        return flash

    def _begins(self, filler):
        """Return whether the update fits beside a file of *filler* bytes."""
        try:
            self._build(filler)
            world.begin("2.0", self.sets["old"], self.sets["new"])
        except (OSError, Refused) as error:
            assert isinstance(error, OSError) or error.status == 507, error
            return False
        return True

    def _build(self, filler):
        flash = ramflash.RamFlash(self.blocks)
        world.mount(flash, fresh=True)
        if not self.bare:
            for folder in ("/.ota", "/.ota/new", "/.ota/old"):
                os.mkdir(folder)
            now = record.load()
            now["version"] = "1.0"
            record.save(now)
        world.write_tree(self.sets["old"])
        for folder in self.empty_folders:
            os.mkdir(folder)
        if filler:
            content = bytes(filler)
            with open("/filler", "wb") as file:
                file.write(content)
            for files in self.sets.values():
                files["/filler"] = content
        return flash

    def perform(self, step, flash):
        step.do(self, flash)

    # steps, to be chained

    def _add(self, name, do, *allowed):
        self.steps.append(Step(name, do, allowed))
        return self

    def begin(self, target="new", live="old"):
        def do(scenario, flash):
            scenario.target = target
            world.begin(
                scenario.versions[target],
                scenario.sets[live],
                scenario.sets[target],
                scenario.trial,
            )

        return self._add("begin", do, live)

    def stage(self, most=None, live="old", upto=None):
        def do(scenario, flash):
            world.stage(scenario.sets[scenario.target], most, upto)

        return self._add("stage", do, live)

    def archive(self):
        """Everything in one request, the decision included; what was staged before stays."""

        def do(scenario, flash):
            world.send_archive("2.0", scenario.sets["old"], scenario.sets["new"], scenario.trial)

        return self._add("archive", do, "old", "new")

    def commit(self, target="new", live="old"):
        return self._add("commit", lambda scenario, flash: world.commit(), live, target)

    def boot(self, *allowed):
        return self._add("boot", lambda scenario, flash: world.power_on(flash), *allowed)

    def confirm(self, live="new"):
        return self._add("confirm", lambda scenario, flash: transaction.confirm(), live)

    def rollback(self, live="new", back="old"):
        return self._add("rollback", lambda scenario, flash: transaction.rollback(), live, back)

    def abort(self, live="old"):
        return self._add("abort", lambda scenario, flash: transaction.abort(), live)

    def boot_into_rescue(self, *allowed):
        def do(scenario, flash):
            world.registers = {0: 0, world.REASON: 2, world.SCRATCH: 0}
            ota_boot.chip._memory = world.registers
            ota_boot.chip.leave("rescue")
            world.power_on(flash)
            assert world.rescues.pop() == "asked for"
            world.registers = None

        return self._add("rescue", do, *allowed)

    def fill_up(self, live="new"):
        """The application writes until nothing is free."""
        self.ignore = ("/more",)

        def do(scenario, flash):
            with open("/more", "wb") as file:
                try:
                    while True:
                        file.write(bytes(4096))
                        file.flush()
                except OSError:
                    pass

        self.steps.append(Step("fill", do, (live,), ours=False))
        return self

    def install(self):
        """Begin to trial, with every step cut."""
        return self.begin().stage().commit().boot("new")

    def whole(self):
        """The life of an update that is kept, then rolled back after all."""
        return self.install().confirm().rollback().boot("old")


def _lib(version, count, size):
    return {"/lib/f%03d.py" % n: text("f%d %s" % (n, version), size(n)) for n in range(count)}


def _mix():
    old = board()
    old.update(_lib("1", 3, lambda n: 900 * n + 100))
    old["/lib/gone.py"] = text("gone", 300)
    old["/data/keep.txt"] = b"of the application"
    new = dict(old)
    new.update(_lib("2", 3, lambda n: 1100 * n + 50))
    del new["/lib/gone.py"]
    new["/lib/deep/er/added.py"] = text("added", 5000)
    new["/main.py"] = text("main 2", 900)
    return old, new


def _folders():
    old = board()
    for path in ("/pkg/a.py", "/pkg/sub/b.py", "/pkg/sub/c.py", "/top/d.py", "/top/in/e.py"):
        old[path] = text(path, 200)
    old["/lib/x/y/z.py"] = text("z", 600)
    old["/lib/stay.py"] = text("stay", 60)
    new = board()
    new["/main.py"] = text("main 2", 650)
    new["/lib/stay.py"] = old["/lib/stay.py"]
    new["/pkg/a.py"] = text("a 2", 200)
    new["/new/one/two/three.py"] = text("three", 600)
    new["/new/one/four.py"] = text("four", 60)
    return old, new


def _root_files():
    old = board()
    old.update({"/a.py": text("a", 400), "/config.json": b"{}", "/z.py": text("z", 3000)})
    new = board()
    new.update({"/a.py": text("a2", 5000), "/b.py": text("b", 30), "/config.json": b"{2}"})
    new["/main.py"] = text("main 2", 4500)
    return old, new


def _neighbours():
    # Names that sort right before boot.py and main.py: what the littlefs defect would hide.
    old = board()
    old.update({"/boos.py": text("boos", 300), "/maim.py": text("maim", 300)})
    old.update({"/boot.p": b"1", "/main.p": b"1", "/os.py": text("os", 200)})
    new = board()
    new.update({"/boos.py": text("boos 2", 600), "/main.p": b"2", "/ma/in.py": b"#"})
    return old, new


def _forms():
    # A module changes its form, .py to .mpy and back.
    head = b"M\x06\x00\x1f"
    old = board()
    old.update({"/lib/one.py": text("one", 500), "/two.mpy": head + text("two", 300)})
    new = board()
    new.update({"/lib/one.mpy": head + text("one", 400), "/two.py": text("two", 500)})
    return old, new


def _updater():
    old = board()
    names = ("/service_ota.mpy", "/manager_wifi.mpy", "/ota/web.mpy", "/ota/transaction.mpy")
    for path in names:
        old[path] = b"M\x06\x00\x1f" + text(path + " 1", 900)
    new = {p: (c[:4] + text(p + " 2", 950) if p in names else c) for p, c in old.items()}
    new["/ota/more.mpy"] = b"M\x06\x00\x1f" + text("more", 200)
    return old, new


def _small_files(count):
    old = board()
    old.update(_lib("1", count, lambda n: 40 + n % 200))
    new = board()
    new.update(_lib("2", count, lambda n: 50 + n % 150))
    del new["/lib/f007.py"]
    new["/lib/g.py"] = b"g"
    return old, new


def _tiny():
    old = board()
    old.update({"/lib/a.py": b"a1", "/lib/b.py": b"b1"})
    new = board()
    new.update({"/lib/a.py": b"a2", "/lib/c.py": b"c2"})
    new["/main.py"] = b"main 2"
    return old, new


def _two_updates(name):
    old, new = _mix()
    scenario = Scenario(name, old, new)
    third = dict(new)
    third["/main.py"] = text("main 3", 1200)
    third["/lib/f001.py"] = text("f 3", 100)
    del third["/lib/deep/er/added.py"]
    scenario.sets["third"] = third
    scenario.versions["third"] = "3.0"
    scenario.folders["third"] = folders_of(third)
    return scenario


def make(name):
    """Return the scenario *name*."""
    if name == "naive":
        return naive()
    for known, build in _ALL:
        if known == name:
            return build(name)
    raise KeyError(name)


def _second_update(name):
    # Beginning the second one clears away the previous set of the first.
    scenario = _two_updates(name)
    scenario.begin().stage().commit().boot("new").confirm()
    return scenario.begin("third", "new").stage(live="new").commit("third", "new").boot("third")


def _power_ons(name):
    # Nobody confirms: the fourth start undoes it.
    scenario = Scenario(name, *_mix()).install().boot("new").boot("new")
    return scenario.boot("old")


def _resume(name):
    old, new = _mix()
    new["/lib/big.py"] = text("big", 9000)
    scenario = Scenario(name, old, new).begin().stage(most=2).stage(most=1, upto=3000)
    scenario.boot("old").begin().stage(most=1, upto=2000).boot("old").stage()
    return scenario.commit().boot("new").confirm()


def _replaced_session(name):
    # Another description takes the place of one that is being staged.
    scenario = _two_updates(name).begin().stage(most=2)

    def do(scenario, flash):
        scenario.target = "third"
        old = scenario.sets["old"]
        world.begin("3.0", old, scenario.sets["third"], force=True)

    scenario._add("force", do, "old")
    return scenario.stage().commit("third", "old").boot("third")


def _guard(name, before, after, change):
    """The guard itself is replaced; it is imported from the image, as the board does it."""
    old, new = _tiny()
    for files in (old, new):
        del files["/ota_boot.py"]
    with open("%s/ota_boot.%s" % (guards, before), "rb") as file:
        old["/ota_boot." + before] = file.read()
    with open("%s/ota_boot.%s" % (guards, after), "rb") as file:
        new["/ota_boot." + after] = file.read() + change
    new["/boot.py"] = world.BOOT + b"# of the new set\n"
    scenario = Scenario(name, old, new, blocks=96)
    scenario.guard_from_image = True
    return scenario.whole()


#: Where ota_boot.py and ota_boot.mpy are found on the host; set by main.py.
guards = None


def naive():
    """What other updaters do: move the old file away, then the new one into its place."""
    old, new = _neighbours()
    scenario = Scenario("naive", old, new)

    def stage(scenario, flash):
        for folder in ("/stage", "/backup"):
            os.mkdir(folder)
        for path in ("/boos.py", "/main.p"):
            with open("/stage" + path, "wb") as file:
                file.write(new[path])

    def swap(scenario, flash):
        for path in ("/boos.py", "/main.p"):
            os.rename(path, "/backup" + path)
            os.rename("/stage" + path, path)

    scenario._add("stage", stage, "old")
    scenario._add("swap", swap, "old", "new")
    return scenario


def _entering_rescue(name):
    scenario = Scenario(name, *_mix()).begin().stage().commit().boot_into_rescue("new")
    return scenario.boot("new").rollback().boot_into_rescue("old")


def _grown():
    # Larger than before, so that the worst moment is when both sets are there.
    old, new = _mix()
    old["/lib/big.py"] = text("big", 30000)
    new["/lib/big.py"] = text("big 2", 42000)
    new["/lib/other.py"] = text("other", 16000)
    return old, new


_HOLLOW = {"empty_folders": ("/hollow",), "hollow": ("/lib/x/void", "/top/in/void")}


def _kept(name, sets, blocks=64, **options):
    """Confirm the update, and roll it back after all."""
    return Scenario(name, *sets, blocks=blocks, **options).whole()


def _filled(name, sets, blocks=64):
    """The application fills the flash while the update is on trial."""
    return Scenario(name, *sets, blocks=blocks).install().fill_up().rollback().boot("old")


def _first(name):
    scenario = Scenario(name, *_mix())
    scenario.bare = True
    scenario.versions["old"] = None
    return scenario.whole()


def _untried(name):
    return Scenario(name, *_mix(), trial=False).install().rollback().boot("old")


def _rolled_back(name):
    return Scenario(name, *_mix()).install().rollback().boot("old")


def _whole_archive(name):
    return Scenario(name, *_mix()).archive().boot("new").confirm().rollback().boot("old")


def _partly_staged(name):
    # Some files come by themselves, one of them only in part; then comes the whole archive.
    scenario = Scenario(name, *_mix()).begin().stage(most=2).stage(most=1, upto=1000)
    return scenario.boot("old").archive().boot("new").confirm()


def _by_hand(name, do, *changes):
    """One file is changed by itself, in an idle state, and both versions are the same."""
    old = _mix()[0]
    new = dict(old)
    for path, source in changes:
        if source is None:
            del new[path]
        else:
            new[path] = source if isinstance(source, bytes) else old[source]
    scenario = Scenario(name, old, new)
    scenario.versions["new"] = "1.0"
    scenario.unproven = ("new",)
    scenario._add("change", do, "old", "new")
    return scenario


def _moved(name):
    # Out of a folder: a cut may hide the next name there, until somebody heals it.
    def do(scenario, flash):
        world.ask("MOVE", "/fs/lib/f000.py", x_destination="/fs/data/moved.py")

    return _by_hand(name, do, ("/data/moved.py", "/lib/f000.py"), ("/lib/f000.py", None))


def _put(name):
    def do(scenario, flash):
        world.ask("PUT", "/fs/lib/f001.py", scenario.sets["new"]["/lib/f001.py"])

    return _by_hand(name, do, ("/lib/f001.py", text("by hand", 2500)))


def _deleted(name):
    def do(scenario, flash):
        world.ask("DELETE", "/fs/lib/f001.py")

    return _by_hand(name, do, ("/lib/f001.py", None))


def _marked(name):
    """Files changed by hand wait for their proof during an update, which is undone."""
    scenario = Scenario(name, *_tiny(), blocks=48)

    def mark(scenario, flash):
        record.mark(180, ("/lib/a.py", "/lib/b.py"))

    def unmark(scenario, flash):
        record.unmark()

    scenario._add("mark", mark, "old").boot("old")
    scenario.install().boot("new").rollback().boot("old")
    return scenario._add("unmark", unmark, "old").boot("old")


def _keys(number):
    """Return a keyring of one key, which nobody has to have signed with."""
    form = {"alg": "rsa-pkcs1-sha256", "e": 65537, "n": "f" * 511 + "%x" % (2 * number + 1)}
    try:
        trust.Key(form)
    except Refused as error:
        form["id"] = error.args[1]
    return json.dumps(form).encode()


def _rotated(name):
    """A confirmed update brings other keys, which stay when it is rolled back."""
    old, new = _tiny()
    old, new = dict(old), dict(new)
    old[record.KEYRING], new[record.KEYRING] = _keys(1), _keys(2)
    scenario = Scenario(name, old, new, blocks=48)
    back = dict(old)
    back[record.KEYRING] = new[record.KEYRING]
    scenario.sets["back"], scenario.versions["back"] = back, "1.0"
    scenario.folders["back"] = scenario.folders["old"]
    return scenario.install().confirm().rollback(back="back").boot("back")


def _aborted(name):
    return Scenario(name, *_mix()).begin().stage(most=3).abort()


_ALL = (
    ("tiny", lambda name: _kept(name, _tiny(), blocks=48)),
    ("first update of a board", _first),
    ("replace, add, delete", lambda name: _kept(name, _mix())),
    (
        "folders made and emptied",
        lambda name: _kept(name, _folders(), blocks=96, **_HOLLOW),
    ),
    ("files in /", lambda name: _kept(name, _root_files())),
    ("names before boot.py and main.py", lambda name: _kept(name, _neighbours())),
    ("py to mpy and back", lambda name: _kept(name, _forms())),
    ("the updater", lambda name: _kept(name, _updater())),
    ("guard replaced", lambda name: _guard(name, "py", "py", b"\n# changed\n")),
    ("guard from .py to .mpy", lambda name: _guard(name, "py", "mpy", b"")),
    ("guard from .mpy to .py", lambda name: _guard(name, "mpy", "py", b"")),
    ("without a trial", _untried),
    ("rolled back in trial", _rolled_back),
    ("never confirmed", _power_ons),
    ("entering rescue", _entering_rescue),
    ("second update", _second_update),
    ("aborted", _aborted),
    ("whole archive", _whole_archive),
    ("whole archive, partly staged", _partly_staged),
    ("one file moved", _moved),
    ("one file replaced", _put),
    ("one file deleted", _deleted),
    ("changed by hand, then updated", _marked),
    ("rotation of keys", _rotated),
    ("resumed", _resume),
    ("begun anew", _replaced_session),
    ("nearly full flash", lambda name: _kept(name, _grown(), blocks=128, full=True)),
    ("flash full in trial", lambda name: _filled(name, _mix())),
    ("flash full, folders come back", lambda name: _filled(name, _folders(), blocks=96)),
    ("300 small files", lambda name: _kept(name, _small_files(300), blocks=212)),
)
NAMES = [name for name, _ in _ALL]
