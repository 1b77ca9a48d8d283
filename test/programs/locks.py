"""Locks of files between processes, as fcntl(2) and flock(2) say: `locks.py CASE FOLDER`. Ends with 1 and says where it failed."""

import errno
import fcntl
import os
import select
import signal
import struct
import sys
import threading
import traceback

UNLOCK, SHARED, EXCLUSIVE = fcntl.F_UNLCK, fcntl.F_RDLCK, fcntl.F_WRLCK
GET, SET, WAIT = fcntl.F_GETLK, fcntl.F_SETLK, fcntl.F_SETLKW
OFD_GET, OFD_SET, OFD_WAIT = 36, 37, 38
LAYOUT = "hhqqi4x"


def ask(fd, command, kind, start=0, length=0, whence=os.SEEK_SET):
    """returns the lock that the kernel answers with: kind, start, length, pid."""
    answer = fcntl.fcntl(fd, command, struct.pack(LAYOUT, kind, whence, start, length, 0))
    kind, _, start, length, pid = struct.unpack(LAYOUT, answer)
    return kind, start, length, pid


def gets(fd, command, *lock):
    """True if it was taken, False if somebody else is in the way."""
    try:
        ask(fd, command, *lock)
        return True
    except OSError as error:
        assert error.errno in (errno.EAGAIN, errno.EACCES), error
        return False


def flocks(fd, how):
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def make(name):
    return os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT, 0o644)


def again(name, flags=os.O_RDWR):
    return os.open(os.path.join(folder, name), flags)


def closes(fd):
    try:
        os.close(fd)
    except OSError:
        pass


class Other:
    """Another process, which does what it is told, one thing after the other."""

    def __init__(self, name):
        to_child, self.told = os.pipe()
        self.says, from_child = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            for fd in {*range(3, 100)} - {to_child, from_child}:
                closes(fd)
            serve(name, os.fdopen(to_child), from_child)
        os.close(to_child)
        os.close(from_child)

    def begin(self, expression):
        os.write(self.told, (expression + "\n").encode())

    def end(self):
        answer = os.read(self.says, 4096).decode()
        assert answer.startswith("="), answer
        return eval(answer[1:])

    def does(self, expression):
        self.begin(expression)
        return self.end()

    def waits(self):
        """True if it has not answered within a moment."""
        return select.select([self.says], [], [], 0.2)[0] == []

    def leave(self, by=signal.SIGKILL):
        os.kill(self.pid, by)
        os.waitpid(self.pid, 0)
        os.close(self.told)
        os.close(self.says)


def serve(name, orders, answers):
    known = dict(globals(), fd=again(name))
    for order in orders:
        try:
            answer = "=" + repr(eval(order, known))
        except BaseException as error:
            answer = traceback.format_exc() if not isinstance(error, OSError) else "=" + repr(error.errno)
        os.write(answers, answer.encode())
    os._exit(0)


def eventually(is_so):
    late = threading.Event()
    for _ in range(600):
        if is_so():
            return
        late.wait(0.02)
    raise AssertionError("never so")


def shared_and_exclusive():
    """many share a lock, one has it alone"""
    fd = make("f")
    other, third = Other("f"), Other("f")
    assert gets(fd, SET, SHARED)
    assert other.does("gets(fd, SET, SHARED)")
    assert not third.does("gets(fd, SET, EXCLUSIVE)")
    assert not gets(fd, SET, EXCLUSIVE)
    ask(fd, SET, UNLOCK)
    assert not third.does("gets(fd, SET, EXCLUSIVE)")
    other.does("ask(fd, SET, UNLOCK)")
    assert third.does("gets(fd, SET, EXCLUSIVE)")
    assert not gets(fd, SET, SHARED)
    other.leave(), third.leave()


def byte_ranges():
    """ranges that do not touch are locked apart; to unlock the middle splits a lock"""
    fd = make("f")
    other = Other("f")
    assert gets(fd, SET, EXCLUSIVE, 0, 100)
    assert other.does("gets(fd, SET, EXCLUSIVE, 100, 100)")
    assert not other.does("gets(fd, SET, SHARED, 99, 1)")
    assert not gets(fd, SET, SHARED, 50, 51)
    ask(fd, SET, UNLOCK, 40, 20)
    assert other.does("gets(fd, SET, EXCLUSIVE, 40, 20)")
    assert not other.does("gets(fd, SET, SHARED, 39, 1)")
    assert not other.does("gets(fd, SET, SHARED, 60, 1)")
    other.leave()


def to_the_end():
    """a length of 0 is all that may ever follow; SEEK_END counts from the end, and backwards"""
    fd = make("f")
    os.truncate(fd, 1000)
    other = Other("f")
    assert gets(fd, SET, EXCLUSIVE, 10**15, 0)
    assert not other.does("gets(fd, SET, SHARED, 2**62, 1)")
    assert other.does("gets(fd, SET, EXCLUSIVE, 10**15 - 1, 1)")
    assert gets(fd, SET, EXCLUSIVE, 0, -100, os.SEEK_END)
    assert ask(fd, GET, SHARED, 900, 1)[0] == UNLOCK
    assert other.does("ask(fd, GET, SHARED, 800, 200)")[:3] == (EXCLUSIVE, 900, 100)
    other.leave()


def conversion():
    """a lock is made stronger and weaker in place, for a part of its range too"""
    fd = make("f")
    other = Other("f")
    assert gets(fd, SET, SHARED, 0, 100)
    assert gets(fd, SET, EXCLUSIVE, 20, 10)
    assert other.does("gets(fd, SET, SHARED, 0, 20)")
    assert not other.does("gets(fd, SET, SHARED, 29, 1)")
    assert not gets(fd, SET, EXCLUSIVE, 0, 100)
    assert gets(fd, SET, SHARED, 20, 10)
    assert other.does("gets(fd, SET, SHARED, 0, 100)")
    other.leave()


def who_is_in_the_way():
    """F_GETLK tells the range, the kind and the process of a lock that is in the way, or that there is none"""
    fd = make("f")
    other = Other("f")
    assert gets(fd, SET, EXCLUSIVE, 100, 50)
    assert other.does("ask(fd, GET, SHARED, 0, 1000)") == (EXCLUSIVE, 100, 50, os.getpid())
    assert other.does("ask(fd, GET, SHARED, 0, 100)")[0] == UNLOCK
    assert ask(fd, GET, EXCLUSIVE, 0, 1000)[0] == UNLOCK
    ask(fd, SET, SHARED, 100, 50)
    assert other.does("ask(fd, GET, SHARED, 0, 0)")[0] == UNLOCK
    assert other.does("ask(fd, GET, EXCLUSIVE, 0, 0)")[:3] == (SHARED, 100, 50)
    other.leave()


def waiting():
    """F_SETLKW waits until the lock is free"""
    fd = make("f")
    other = Other("f")
    assert gets(fd, SET, EXCLUSIVE, 0, 10)
    other.begin("ask(fd, WAIT, EXCLUSIVE, 5, 10)[0]")
    assert other.waits()
    ask(fd, SET, UNLOCK, 0, 5)
    assert other.waits()
    ask(fd, SET, UNLOCK, 5, 5)
    other.end()
    assert not gets(fd, SET, SHARED, 5, 1)
    other.leave()


def interrupted():
    """a signal ends the wait for a lock with EINTR, and the lock is not taken"""
    fd = make("f")
    other, third = Other("f"), Other("f")
    other.does("str(signal.signal(signal.SIGUSR1, interrupt))")
    for wait in ("ask(fd, WAIT, EXCLUSIVE)", "fcntl.flock(fd, fcntl.LOCK_EX)"):
        assert gets(fd, SET, EXCLUSIVE) and flocks(fd, fcntl.LOCK_EX)
        other.begin(wait)
        assert other.waits()
        os.kill(other.pid, signal.SIGUSR1)
        assert other.end() == errno.EINTR
        ask(fd, SET, UNLOCK)
        fcntl.flock(fd, fcntl.LOCK_UN)
        assert third.does("gets(fd, SET, EXCLUSIVE)") and third.does("flocks(fd, fcntl.LOCK_EX)")
        third.does("ask(fd, SET, UNLOCK)"), third.does("fcntl.flock(fd, fcntl.LOCK_UN)")
    other.leave(), third.leave()


def interrupt(*_):
    raise InterruptedError(errno.EINTR, "interrupted")


def killed_while_waiting():
    """whoever is killed while it waits for a lock does not get it"""
    fd = make("f")
    other = Other("f")
    assert gets(fd, SET, EXCLUSIVE) and flocks(fd, fcntl.LOCK_EX)
    for wait in ("ask(fd, WAIT, EXCLUSIVE)", "fcntl.flock(fd, fcntl.LOCK_EX)"):
        victim = Other("f")
        victim.begin(wait)
        assert victim.waits()
        victim.leave()
    ask(fd, SET, UNLOCK)
    fcntl.flock(fd, fcntl.LOCK_UN)
    assert other.does("gets(fd, SET, EXCLUSIVE)") and other.does("flocks(fd, fcntl.LOCK_EX)")
    other.leave()


def death():
    """locks go with their process"""
    fd = make("f")
    other = Other("f")
    assert other.does("gets(fd, SET, EXCLUSIVE)") and other.does("flocks(fd, fcntl.LOCK_EX)")
    assert not gets(fd, SET, SHARED) and not flocks(fd, fcntl.LOCK_SH)
    other.leave()
    eventually(lambda: gets(fd, SET, EXCLUSIVE))
    eventually(lambda: flocks(fd, fcntl.LOCK_EX))


def close_of_any():
    """a process that closes any descriptor of a file loses its locks there, also if that could only read"""
    fd = make("f")
    other = Other("f")
    for flags in (os.O_RDWR, os.O_RDONLY):
        assert gets(fd, SET, EXCLUSIVE)
        assert not other.does("gets(fd, SET, SHARED)")
        os.close(again("f", flags))
        assert other.does("gets(fd, SET, EXCLUSIVE)")
        other.does("ask(fd, SET, UNLOCK)")
    reader = again("f", os.O_RDONLY)
    os.close(fd)
    assert gets(reader, SET, SHARED)
    assert not other.does("gets(fd, SET, EXCLUSIVE)")
    os.close(reader)
    assert other.does("gets(fd, SET, EXCLUSIVE)")
    other.leave()


def fork():
    """a child does not have the fcntl locks of its parent, but the flock"""
    fd = make("f")
    assert gets(fd, SET, EXCLUSIVE) and flocks(fd, fcntl.LOCK_EX)
    child = os.fork()
    if child == 0:
        os._exit(0 if not gets(fd, SET, SHARED) and flocks(fd, fcntl.LOCK_EX) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    other = Other("f")
    assert not other.does("gets(fd, SET, SHARED)") and not other.does("flocks(fd, fcntl.LOCK_SH)")
    other.leave()


def open_modes():
    """a shared fcntl lock takes a descriptor that reads, an exclusive one that writes"""
    make("f")
    for flags, kind in ((os.O_RDONLY, EXCLUSIVE), (os.O_WRONLY, SHARED)):
        try:
            ask(again("f", flags), SET, kind)
        except OSError as error:
            assert error.errno == errno.EBADF
        else:
            raise AssertionError("no EBADF")


def of_descriptions():
    """open file description locks are between opens, also of one process, and go with the last close"""
    one, two = make("f"), again("f")
    other = Other("f")
    assert gets(one, OFD_SET, EXCLUSIVE, 0, 10)
    assert not gets(two, OFD_SET, SHARED, 5, 10)
    assert gets(two, OFD_SET, EXCLUSIVE, 10, 10)
    assert not gets(two, SET, SHARED, 5, 1)
    assert other.does("ask(fd, OFD_GET, SHARED, 0, 100)") == (EXCLUSIVE, 0, 10, -1)
    os.close(again("f"))
    assert not other.does("gets(fd, OFD_SET, SHARED, 0, 1)")
    duplicate = os.dup(one)
    os.close(one)
    assert not other.does("gets(fd, OFD_SET, SHARED, 0, 1)")
    other.begin("ask(fd, OFD_WAIT, EXCLUSIVE, 0, 10)[0]")
    assert other.waits()
    os.close(duplicate)
    other.end()
    other.leave()


def flock():
    """flock is of the whole file, between opens, shared by what was duplicated, and apart from fcntl locks"""
    one, two = make("f"), again("f")
    other = Other("f")
    assert flocks(one, fcntl.LOCK_SH) and flocks(two, fcntl.LOCK_SH)
    assert not other.does("flocks(fd, fcntl.LOCK_EX)")
    assert other.does("flocks(fd, fcntl.LOCK_SH)")
    other.does("fcntl.flock(fd, fcntl.LOCK_UN)")
    fcntl.flock(two, fcntl.LOCK_UN)
    duplicate = os.dup(one)
    assert flocks(duplicate, fcntl.LOCK_EX)
    assert gets(two, SET, EXCLUSIVE)
    os.close(one)
    assert not other.does("flocks(fd, fcntl.LOCK_SH)")
    other.begin("fcntl.flock(fd, fcntl.LOCK_EX)")
    assert other.waits()
    fcntl.flock(duplicate, fcntl.LOCK_UN)
    other.end()
    assert not flocks(duplicate, fcntl.LOCK_SH)
    other.leave()


def many():
    """a hundred ranges of a file, each locked by itself, are a hundred locks"""
    fd = make("f")
    other = Other("f")
    for at in range(100):
        assert gets(fd, SET, EXCLUSIVE if at % 2 else SHARED, 10 * at, 5)
    for at in range(0, 100, 7):
        assert other.does(f"gets(fd, SET, SHARED, {10 * at}, 5)") == (at % 2 == 0)
        assert other.does(f"gets(fd, SET, EXCLUSIVE, {10 * at + 5}, 5)")
    ask(fd, SET, UNLOCK)
    assert other.does("gets(fd, SET, EXCLUSIVE)")
    other.leave()


CASES = (
    shared_and_exclusive,
    byte_ranges,
    to_the_end,
    conversion,
    who_is_in_the_way,
    waiting,
    interrupted,
    killed_while_waiting,
    death,
    close_of_any,
    fork,
    open_modes,
    of_descriptions,
    flock,
    many,
)

if __name__ == "__main__":
    if len(sys.argv) < 3:
        for case in CASES:
            print(case.__name__, case.__doc__, sep="\t")
    else:
        folder = sys.argv[2]
        next(case for case in CASES if case.__name__ == sys.argv[1])()
