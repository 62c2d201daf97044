"""asyncio for bench/heap32: the firmware's tasks and streams, run one step at a time.

The build's own asyncio runs on JavaScript's event loop and has no streams. Tasks and their queue
are the firmware's C types here too, so a program holds the same objects; this module is only the
loop around them. A scenario drives it:

    task = asyncio.create_task(program())
    while not task.done():
        held = yield asyncio.step()
"""

import select
import sys
from _asyncio import Task, TaskQueue
from time import ticks_add, ticks_diff
from time import ticks_ms as ticks


class CancelledError(BaseException):
    pass


class TimeoutError(Exception):
    pass


core = sys.modules[__name__]  # the firmware's asyncio.core, where some look for the loop's insides
cur_task = None
_task_queue = TaskQueue()
_IDLE_MS = 5


class _Once:
    # What sleep_ms() returns: one object for all as in the firmware, so sleeping holds nothing.
    def __init__(self):
        self.until = None

    def __iter__(self):
        return self

    def __next__(self):
        if self.until is None:
            raise StopIteration
        _task_queue.push(cur_task, self.until)
        self.until = None


_once = _Once()


def sleep_ms(ms):
    _once.until = ticks_add(ticks(), max(0, ms))
    return _once


def sleep(seconds):
    return sleep_ms(int(seconds * 1000))


class _IOQueue:
    # id(stream) -> [task that reads, task that writes, stream]; the lists are the firmware's too.
    def __init__(self):
        self.poller = select.poll()
        self.map = {}

    def _wait(self, stream, index):
        entry = self.map.get(id(stream))
        if entry is None:
            entry = self.map[id(stream)] = [None, None, stream]
            self.poller.register(stream, select.POLLIN if index == 0 else select.POLLOUT)
        else:
            assert entry[index] is None, "two tasks wait for one stream"
            self.poller.modify(stream, select.POLLIN | select.POLLOUT)
        entry[index] = cur_task
        cur_task.data = self  # so that cancel() finds the task here

    def queue_read(self, stream):
        self._wait(stream, 0)

    def queue_write(self, stream):
        self._wait(stream, 1)

    def _forget(self, stream):
        del self.map[id(stream)]
        self.poller.unregister(stream)

    def remove(self, task):
        for entry in list(self.map.values()):
            if task in entry[:2]:
                self._forget(entry[2])

    def wake(self):
        for stream, event in self.poller.ipoll(0):
            entry = self.map[id(stream)]
            for index, wanted in ((0, ~select.POLLOUT), (1, ~select.POLLIN)):
                if event & wanted and entry[index] is not None:
                    _task_queue.push(entry[index])
                    entry[index] = None
            if entry[0] is None and entry[1] is None:
                self._forget(stream)
            else:
                left = select.POLLIN if entry[0] is not None else select.POLLOUT
                self.poller.modify(stream, left)


_io_queue = _IOQueue()


def create_task(coro):
    if not hasattr(coro, "send"):
        raise TypeError("coroutine expected")
    task = Task(coro, globals())
    _task_queue.push(task)
    return task


def current_task():
    return cur_task


class _Loop:
    create_task = staticmethod(create_task)

    @staticmethod
    def call_exception_handler(context):
        sys.print_exception(context["exception"])


def get_event_loop():
    return _Loop


def step():
    """Run the next task until it waits; return the ms until there is something to do."""
    global cur_task
    if _io_queue.map:
        _io_queue.wake()
    task = _task_queue.peek()
    if task is None:
        return _IDLE_MS
    wait = ticks_diff(task.ph_key, ticks())
    if wait > 0:
        return min(wait, _IDLE_MS)
    _task_queue.pop()
    cur_task = task
    error = task.data
    try:
        if error is None or error is False:
            task.coro.send(None)
        else:
            task.data = None
            task.coro.throw(error)
    except BaseException as result:
        _finish(task, result, error)
    cur_task = None
    return 0


def _finish(task, result, error):
    if task.state:
        waited_for = False
        if task.state is True:
            task.state = None
        else:
            while task.state.peek():
                _task_queue.push(task.state.pop())
                waited_for = True
            task.state = False
        if not waited_for and not isinstance(result, (CancelledError, StopIteration)):
            _task_queue.push(task)  # if nobody has asked for the result by then, it is printed
        task.data = result
    elif task.state is None:
        task.data = error
        sys.print_exception(error)


class Stream:
    """A socket, or anything with readinto, write and ioctl, for coroutines."""

    def __init__(self, s, e=None):
        self.s = s
        self.e = e
        self.out_buf = b""

    def get_extra_info(self, name):
        return self.e[name]

    def close(self):
        pass

    async def wait_closed(self):
        self.s.close()

    def _readable(self):
        yield _io_queue.queue_read(self.s)

    def _writable(self):
        yield _io_queue.queue_write(self.s)

    async def read(self, n=-1):
        pieces = b""
        while True:
            await self._readable()
            piece = self.s.read(n)
            if piece is None:
                continue
            if n >= 0:
                return piece
            if not piece:
                return pieces
            pieces += piece

    async def readinto(self, buf):
        await self._readable()
        return self.s.readinto(buf)

    async def readexactly(self, n):
        pieces = b""
        while n:
            await self._readable()
            piece = self.s.read(n)
            if piece is None:
                continue
            if not piece:
                raise EOFError
            pieces += piece
            n -= len(piece)
        return pieces

    async def readline(self):
        line = b""
        while True:
            await self._readable()
            piece = self.s.readline()
            if piece is None:
                continue
            line += piece
            if not piece or line[-1] == 10:
                return line

    def write(self, buf):
        if not self.out_buf:
            sent = self.s.write(buf)
            if sent == len(buf):
                return
            if sent is not None:
                buf = buf[sent:]
        self.out_buf += buf

    async def drain(self):
        if not self.out_buf:
            return await sleep_ms(0)
        buf = memoryview(self.out_buf)
        done = 0
        while done < len(buf):
            await self._writable()
            sent = self.s.write(buf[done:])
            if sent is not None:
                done += sent
        self.out_buf = b""


StreamReader = StreamWriter = Stream
