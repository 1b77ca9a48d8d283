"""What cases of system calls are made of. A case is a function whose docstring says what holds; it runs as root, in an
empty folder of its own (the working directory), in a process of its own, with the umask 022."""

import contextlib
import ctypes
import errno
import os
import socket
import stat
import time

CASES = []
KINDS = ("file", "folder", "fifo", "block", "char", "socket", "symlink")
NOT_FOLDERS = tuple(kind for kind in KINDS if kind != "folder")
NOT_SYMLINKS = tuple(kind for kind in KINDS if kind != "symlink")
LINKABLE = tuple(kind for kind in NOT_FOLDERS if kind != "symlink")
NS = 1_000_000_000
ONE, OTHER, THIRD = 65534, 65533, 65532
DENIED = ("EACCES", "EPERM")

libc = ctypes.CDLL(None, use_errno=True)


class Skipped(Exception):
    """The machine or the file system cannot carry the case."""


def case(function):
    CASES.append(function)
    return function


def syscall(name, *arguments):
    """A function of the C library that Python does not have. A failure is an OSError."""
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def fails(codes, call, *arguments, **options):
    """The call fails with that error, or one of those."""
    expected = (codes,) if isinstance(codes, str) else codes
    try:
        call(*arguments, **options)
    except OSError as error:
        code = errno.errorcode[error.errno]
        assert code in expected, f"{code}, not {codes}"
        return
    raise AssertionError(f"no {codes}")


def equal(found, expected, what=""):
    assert found == expected, f"{what}: {found!r}, not {expected!r}"


@contextlib.contextmanager
def someone(uid, *groups):
    """The process has the rights of this user, in these groups; as the user's number without."""
    own, groups = os.getgroups(), groups or (uid,)
    os.setgroups(groups)
    os.setegid(groups[0])
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(own)


@contextlib.contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def write(path, content=b"", mode=0o644, flags=os.O_TRUNC):
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | flags, mode)
    os.write(fd, content)
    os.close(fd)
    return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


def make(kind, path, mode=None, uid=None, gid=None):
    if kind == "file":
        write(path)
    elif kind == "folder":
        os.mkdir(path, 0o755)
    elif kind == "fifo":
        os.mkfifo(path, 0o644)
    elif kind in ("block", "char"):
        os.mknod(path, (stat.S_IFBLK if kind == "block" else stat.S_IFCHR) | 0o644, os.makedev(1, 2))
    elif kind == "socket":
        bind(path).close()
    else:
        os.symlink("test", path)
    if uid is not None:
        os.lchown(path, uid, uid if gid is None else gid)
    if mode is not None:
        os.chmod(path, mode)
    return path


def bind(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    return server


def remove(path):
    if kind_of(path) == "folder":
        os.rmdir(path)
    else:
        os.unlink(path)


def kind_of(path):
    names = {
        stat.S_IFREG: "file",
        stat.S_IFDIR: "folder",
        stat.S_IFIFO: "fifo",
        stat.S_IFBLK: "block",
        stat.S_IFCHR: "char",
        stat.S_IFSOCK: "socket",
        stat.S_IFLNK: "symlink",
    }
    return names[stat.S_IFMT(os.lstat(path).st_mode)]


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def owner_of(path):
    found = os.lstat(path)
    return found.st_uid, found.st_gid


def links_of(path):
    return os.lstat(path).st_nlink


def inode_of(path):
    return os.lstat(path).st_ino


def absent(path):
    fails("ENOENT", os.lstat, path)


def tick():
    """Let the clocks of file systems go on: that of ext4 by 4 ms, that of Shoal's ops by a batch, which fsync ends."""
    fd = os.open(".", os.O_RDONLY)
    if os.fstatvfs(fd).f_favail == 0:  # a file system without a number of inodes
        os.fsync(fd)
    os.close(fd)
    time.sleep(0.008)


def name_open(fd, path):
    """linkat(2) of an open file."""
    at_cwd, follow = -100, 0x400
    syscall("linkat", at_cwd, f"/proc/self/fd/{fd}".encode(), at_cwd, os.fsencode(path), follow)


def marks(path):
    found = os.lstat(path) if not isinstance(path, int) else os.fstat(path)
    return {"a": found.st_atime_ns, "m": found.st_mtime_ns, "c": found.st_ctime_ns}


@contextlib.contextmanager
def updates(**expected):
    """What is done inside marks these times of these paths for update: a, m, c. `here` is the working directory."""
    paths = {name: "." if name == "here" else name for name in expected}
    before = {name: marks(path) for name, path in paths.items()}
    tick()
    yield
    for name, path in paths.items():
        after = marks(path)
        for mark in expected[name]:
            assert after[mark] > before[name][mark], f"{mark}time of {name} is as it was"


@contextlib.contextmanager
def keeps(*paths):
    """What is done inside leaves mtime and ctime of these paths."""
    before = [marks(path) for path in paths]
    tick()
    yield
    for path, old in zip(paths, before):
        new = marks(path)
        assert (new["m"], new["c"]) == (old["m"], old["c"]), f"times of {path} changed"
