"""utimensat(2), futimens(3), and which call marks which time."""

import os
import time

from case import *

NOW, OMIT = (1 << 30) - 1, (1 << 30) - 2


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_int64), ("ns", ctypes.c_int64)]


def utimens(path, accessed, modified, flags=0):
    times = (Timespec * 2)(Timespec(*accessed), Timespec(*modified))
    syscall("utimensat", -100, os.fsencode(path), times, flags)


@case
def sets_both():
    """utimensat sets atime and mtime of anything, to the nanosecond, and marks ctime."""
    for kind in KINDS:
        make(kind, "it")
        with updates(it="c"), keeps("."):
            os.utime("it", ns=(1_900_000_000 * NS + 123_456_789, 1_950_000_000 * NS + 987_654_321), follow_symlinks=False)
        found = os.lstat("it")
        equal((found.st_atime_ns, found.st_mtime_ns), (1_900_000_000_123_456_789, 1_950_000_000_987_654_321))
        remove("it")


@case
def now():
    """UTIME_NOW, and no times at all, set the time of now."""
    for kind in NOT_SYMLINKS:
        for times in (((0, NOW), (0, NOW)), None):
            make(kind, "it")
            os.utime("it", ns=(1, 1))
            before = time.time_ns()
            if times is None:
                syscall("utimensat", -100, b"it", None, 0)
            else:
                utimens("it", *times)
            found = os.stat("it")
            for got in (found.st_atime_ns, found.st_mtime_ns):
                assert before - NS < got <= time.time_ns(), got
            remove("it")


@case
def omit():
    """UTIME_OMIT leaves a time; both leave everything, ctime too."""
    write("it")
    utimens("it", (10, 11), (20, 21))
    utimens("it", (0, OMIT), (30, 31))
    equal((os.stat("it").st_atime_ns, os.stat("it").st_mtime_ns), (10 * NS + 11, 30 * NS + 31))
    utimens("it", (40, 41), (0, OMIT))
    equal((os.stat("it").st_atime_ns, os.stat("it").st_mtime_ns), (40 * NS + 41, 30 * NS + 31))
    with keeps("it"):
        utimens("it", (0, OMIT), (0, OMIT))
    equal(os.stat("it").st_atime_ns, 40 * NS + 41)


@case
def one_now():
    """One time may be of now and the other given."""
    write("it")
    before = time.time_ns()
    utimens("it", (0, NOW), (7, 8))
    found = os.stat("it")
    assert found.st_atime_ns > before - NS
    equal(found.st_mtime_ns, 7 * NS + 8)


@case
def of_symlinks():
    """AT_SYMLINK_NOFOLLOW sets the times of a symlink; else those of what it leads to."""
    write("file")
    os.symlink("file", "link")
    utimens("link", (1, 2), (3, 4), 0x100)
    equal((os.lstat("link").st_mtime_ns, os.lstat("file").st_mtime_ns > NS * 1000), (3 * NS + 4, True))
    utimens("link", (5, 6), (7, 8))
    equal((os.lstat("link").st_mtime_ns, os.lstat("file").st_mtime_ns), (3 * NS + 4, 7 * NS + 8))


@case
def nonsense():
    """Nanoseconds of a second or more, or less than none, fail with EINVAL."""
    write("it")
    for ns in (NS, -1, NOW + 1):
        fails("EINVAL", utimens, "it", (0, ns), (0, 0))
        fails("EINVAL", utimens, "it", (0, 0), (0, ns))


@case
def any_year():
    """Times before 1970, after 2038 and 2106, and of 2242 are kept to the nanosecond."""
    write("it")
    os.mkdir("folder")
    for seconds in (-1, -2, 1 - 2**31, 0, 2**31 - 1, 2**31, 2**32, 2**33):
        for ns in (0, 1, 999_999_999):
            for path in ("it", "folder"):
                utimens(path, (seconds, ns), (seconds + 1, ns))
                found = os.stat(path)
                equal((found.st_atime_ns, found.st_mtime_ns), (seconds * NS + ns, (seconds + 1) * NS + ns))


@case
def who_sets_times():
    """Given times are set by owner and root only: EPERM, even for who may write; now is set by who may write: EACCES."""
    write("it")
    given = ((1, 0), (2, 0))
    for mode, denial in ((0o644, "EACCES"), (0o666, None)):
        os.chmod("it", mode)
        with someone(ONE):
            fails("EPERM", utimens, "it", *given)
            fails("EPERM", utimens, "it", (0, OMIT), (2, 0))
            fails("EPERM", utimens, "it", (1, 0), (0, OMIT))
            fails("EPERM", utimens, "it", (0, NOW), (0, OMIT))
            if denial is None:
                utimens("it", (0, NOW), (0, NOW))
            else:
                fails(denial, utimens, "it", (0, NOW), (0, NOW))
            utimens("it", (0, OMIT), (0, OMIT))
    os.chown("it", ONE, ONE)
    os.chmod("it", 0o444)
    with someone(ONE):
        utimens("it", *given)
        utimens("it", (0, NOW), (0, NOW))
    utimens("it", *given)


@case
def of_open_files():
    """futimens sets times through a descriptor that only reads; a time set while a file is written stays when it closes."""
    write("it", b"x")
    fd = os.open("it", os.O_RDONLY)
    os.utime(fd, ns=(5, 6))
    equal(os.stat("it").st_mtime_ns, 6)
    writer = os.open("it", os.O_WRONLY)
    os.write(writer, b"y")
    os.utime(writer, ns=(7, 8))
    equal(os.fstat(writer).st_mtime_ns, 8)
    os.close(writer)
    equal(os.stat("it").st_mtime_ns, 8)


@case
def writing():
    """A write marks mtime and ctime at once, while the file is open too, but not one of nothing."""
    fd = os.open("it", os.O_CREAT | os.O_RDWR)
    for _ in range(2):
        with updates(it="mc"), keeps("."):
            os.write(fd, b"x")
    with keeps("it"):
        os.write(fd, b"")
    with updates(it="mc"):
        os.ftruncate(fd, 0)
    os.close(fd)


@case
def ctime_is_never_behind():
    """ctime is never earlier than mtime, of what was just made or written, before and after it is closed."""
    for number in range(20):
        fd = os.open(f"file{number}", os.O_CREAT | os.O_WRONLY)
        os.write(fd, b"x")
        found = os.fstat(fd)
        assert found.st_ctime_ns >= found.st_mtime_ns, found.st_mtime_ns - found.st_ctime_ns
        os.close(fd)
        found = os.stat(f"file{number}")
        assert found.st_ctime_ns >= found.st_mtime_ns, found.st_mtime_ns - found.st_ctime_ns


@case
def closing_marks_nothing():
    """Closing what was written, and fsync, leave mtime, which is that of the last write."""
    fd = os.open("it", os.O_CREAT | os.O_RDWR)
    for settle in (os.fsync, os.close):
        os.write(fd, b"x")
        modified = marks("it")["m"]
        tick()
        settle(fd)
        equal(marks("it")["m"], modified)


@case
def reading():
    """Reading a file or a folder leaves mtime and ctime."""
    write("it", b"content")
    os.mkdir("folder")
    with keeps("it", "folder"):
        read("it")
        os.listdir("folder")
        os.stat("it")


@case
def attributes_mark():
    """Setting and removing an extended attribute marks ctime and not mtime."""
    for kind in ("file", "folder"):
        make(kind, "it")
        before = marks("it")["m"]
        with updates(it="c"):
            os.setxattr("it", "user.a", b"1")
        with updates(it="c"):
            os.removexattr("it", "user.a")
        equal(marks("it")["m"], before)
        remove("it")
