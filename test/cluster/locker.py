"""Locks a file as it is told: `locker.py FILE`, a command a line, each answered by a line."""

import errno
import fcntl
import os
import signal
import struct
import sys

KINDS = {"shared": (fcntl.F_RDLCK, fcntl.LOCK_SH), "exclusive": (fcntl.F_WRLCK, fcntl.LOCK_EX)}
NAMES = {number: name for name, (number, _) in KINDS.items()}
LAYOUT = "hhqqi4x"
path = sys.argv[1]
fd = os.open(path, os.O_RDWR)


def interrupt(*_):
    raise InterruptedError(errno.EINTR, "interrupted")


def ask(command, kind, start=0, length=0):
    lock = struct.pack(LAYOUT, kind, os.SEEK_SET, int(start), int(length), 0)
    return struct.unpack(LAYOUT, fcntl.fcntl(fd, command, lock))


def lock(family, kind, *place, wait):
    of_fcntl, of_flock = KINDS[kind]
    if family == "flock":
        fcntl.flock(fd, of_flock | (0 if wait else fcntl.LOCK_NB))
    else:
        ask(fcntl.F_SETLKW if wait else fcntl.F_SETLK, of_fcntl, *place)
    return "ok"


def unlock(family, *place):
    if family == "flock":
        fcntl.flock(fd, fcntl.LOCK_UN)
    else:
        ask(fcntl.F_SETLK, fcntl.F_UNLCK, *place)
    return "ok"


def who(_, kind, *place):
    found, _, start, length, _ = ask(fcntl.F_GETLK, KINDS[kind][0], *place)
    return "nobody" if found == fcntl.F_UNLCK else f"{NAMES[found]} {start} {length}"


def write(*words):
    text = " ".join(words).encode()
    os.pwrite(fd, text, 0)
    os.ftruncate(fd, len(text))
    os.fsync(fd)
    return "ok"


def read(family=None):
    if family:
        lock(family, "shared", wait=True)
    text = os.pread(fd, 1000, 0).decode()
    if family:
        unlock(family)
    return text


def count(family, rounds):
    """returns how often somebody else had counted between."""
    last, changes = None, 0
    for _ in range(int(rounds)):
        lock(family, "exclusive", wait=True)
        number = int(os.pread(fd, 1000, 0))
        changes += number != last
        last = number + 1
        os.pwrite(fd, str(last).encode(), 0)
        unlock(family)
    return changes


def reopen():
    global fd
    os.close(fd)
    fd = os.open(path, os.O_RDWR)
    return "ok"


COMMANDS = {
    "try": lambda *words: lock(*words, wait=False),
    "wait": lambda *words: lock(*words, wait=True),
    "unlock": unlock,
    "who": who,
    "write": write,
    "read": read,
    "count": count,
    "reopen": reopen,
}

signal.signal(signal.SIGUSR1, interrupt)
for line in sys.stdin:
    command, *words = line.split()
    try:
        answer = COMMANDS[command](*words)
    except OSError as error:
        answer = errno.errorcode[error.errno]
    print(answer, flush=True)
