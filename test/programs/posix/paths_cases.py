"""Errors of path resolution, which all calls on paths have alike (POSIX, XBD 4.13)."""

import ctypes
import os

from case import *

ON_PATHS = {
    "stat": os.stat,
    "statvfs": os.statvfs,
    "chmod": lambda path: os.chmod(path, 0o642),
    "chown": lambda path: os.chown(path, 65534, 65534),
    "lchown": lambda path: os.lchown(path, 65534, 65534),
    "truncate": lambda path: os.truncate(path, 123),
    "utimensat": lambda path: os.utime(path, ns=(1, 2)),
    "open": lambda path: os.close(os.open(path, os.O_RDONLY)),
    "listxattr": os.listxattr,
    "getxattr": lambda path: os.getxattr(path, "user.a"),
    "opendir": os.listdir,
    "chdir": os.chdir,
    "readlink": os.readlink,
    "unlink": os.unlink,
    "rmdir": os.rmdir,
    "rename from": lambda path: os.rename(path, "elsewhere"),
    "link from": lambda path: os.link(path, "elsewhere"),
}
MAKING = {
    "create": lambda path: os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)),
    "mkdir": os.mkdir,
    "mkfifo": os.mkfifo,
    "mknod": lambda path: make("char", path),
    "bind": lambda path: bind(path).close(),
    "symlink": lambda path: os.symlink("test", path),
    "link to": lambda path: os.link("file", path),
    "rename to": lambda path: os.rename(make("file", "moved"), path),
}
CHANGING_NAMES = ("unlink", "rmdir", "rename from")
ALL = ON_PATHS | MAKING


def short(calls):
    """sockets have names of 107 bytes"""
    return {name: call for name, call in calls.items() if name != "bind"}


def each(calls, codes, path, who=None):
    for name, call in calls.items():
        try:
            with contextlib.nullcontext() if who is None else someone(who):
                fails(codes, call, path)
        except AssertionError as error:
            raise AssertionError(f"{name} of {path[:40]}: {error}") from None


@case
def through_a_file():
    """All calls fail with ENOTDIR if a component of the path is not a folder."""
    for kind in NOT_FOLDERS:
        make(kind, "file" if kind == "file" else kind)
    for kind in ("file", "fifo", "char", "block", "socket"):
        each(ALL, "ENOTDIR", f"{kind}/test")


@case
def absent_component():
    """All calls fail with ENOENT if a component, or what is not to be made, is not there, or the path is empty."""
    make("file", "file")
    each(ALL, "ENOENT", "absent/test")
    each(ON_PATHS, "ENOENT", "absent")
    each({name: call for name, call in ALL.items() if name != "bind"}, "ENOENT", "")
    os.symlink("nowhere", "dangling")
    follows = set(ON_PATHS) - {"lchown", "readlink", "unlink", "rmdir", "rename from", "link from"}
    each({name: ON_PATHS[name] for name in follows}, "ENOENT", "dangling")


@case
def longest_name():
    """A name may have 255 bytes; 256 fail with ENAMETOOLONG, in the middle of a path too."""
    make("file", "file")
    longest = "n" * 255
    for kind in KINDS:
        if kind == "socket":
            continue
        make(kind, longest)
        equal(kind_of(longest), kind)
        if kind not in ("folder", "symlink"):
            os.link(longest, longest[1:] + "2")
            os.unlink(longest[1:] + "2")
        if kind != "symlink":
            os.chmod(longest, 0o620)
            equal(mode_of(longest), 0o620)
        os.lchown(longest, 65534, 65534)
        os.rename(longest, "n")
        os.rename("n", longest)
        remove(longest)
    each(short(ALL), "ENAMETOOLONG", longest + "x")
    each(short(ALL), "ENAMETOOLONG", f"{longest}x/test")


@case
def longest_path():
    """A path may have 4095 bytes, with as many folders in it as fit; one more fails with ENAMETOOLONG."""
    make("file", "file")
    parts, part = [], "p" * 127
    while len("/".join(parts)) + 1 + len(part) < 4090:
        parts.append(part)
        os.mkdir("/".join(parts))
    path = "/".join(parts) + "/"
    path += "x" * (4095 - len(path))
    assert len(path) == 4095
    for kind in KINDS:
        if kind == "socket":
            continue
        make(kind, path)
        equal(kind_of(path), kind)
        os.lchown(path, 65534, 65534)
        os.rename(path, "n")
        os.rename("n", path)
        remove(path)
    each(short(ALL), "ENAMETOOLONG", path + "x")


@case
def deep_folders():
    """Folders may lie deeper than a path can say, reached step by step."""
    depth = 60
    for _ in range(depth):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    write("file", b"deep")
    equal(read("file"), b"deep")
    os.unlink("file")
    for _ in range(depth):
        os.chdir("..")
        os.rmdir("d" * 200)


@case
def no_search_permission():
    """All calls fail with EACCES if a folder of the path may not be searched."""
    make("file", "file")
    make("folder", "closed", 0o755, ONE)
    for name in ("test", "folder"):
        make("file" if name == "test" else "folder", f"closed/{name}", None, ONE)
    os.chmod(".", 0o777)
    os.chown("file", ONE, ONE)
    os.chmod("closed", 0o644)
    for path in ("closed/test", "closed/absent"):
        with someone(ONE):
            make("file", "moved")
        calls = ALL | {"rename to": lambda path: os.rename("moved", path)}
        each(calls, "EACCES", path, ONE)
        os.unlink("moved")


@case
def no_write_permission():
    """What changes the names in a folder fails with EACCES if it may not be written, even for the owner."""
    make("folder", "closed", 0o755, ONE)
    make("file", "closed/file", None, ONE)
    make("folder", "closed/folder", None, ONE)
    os.chmod(".", 0o777)
    make("file", "file", None, ONE)
    os.chmod("closed", 0o555)
    with someone(ONE):
        make("file", "moved")
    making = MAKING | {"rename to": lambda path: os.rename("moved", path)}
    each(making, "EACCES", "closed/new", ONE)
    each({"unlink": os.unlink, "rename": ON_PATHS["rename from"]}, "EACCES", "closed/file", ONE)
    each({"rmdir": os.rmdir}, "EACCES", "closed/folder", ONE)
    os.chmod("closed", 0o755)
    with someone(ONE):
        os.unlink("closed/file")
        os.rmdir("closed/folder")


@case
def too_many_symlinks():
    """All calls fail with ELOOP for symlinks in a circle, and for more than 40 one after another."""
    make("file", "file")
    os.symlink("two", "one")
    os.symlink("one", "two")
    each(ALL, "ELOOP", "one/test")
    each(ALL, "ELOOP", "two/test")
    follows = set(ON_PATHS) - {"lchown", "readlink", "unlink", "rmdir", "rename from", "link from"}
    each({name: ON_PATHS[name] for name in follows}, "ELOOP", "one")
    each({"create": MAKING["create"]}, "ELOOP", "one")
    os.symlink("file", "link0")
    for count in range(1, 41):
        os.symlink(f"link{count - 1}", f"link{count}")
    equal(os.stat("link39").st_size, 0)
    fails("ELOOP", os.stat, "link40")


@case
def already_there():
    """What makes a name fails with EEXIST whatever has it."""
    making = {name: call for name, call in MAKING.items() if name not in ("create", "rename to", "bind")}
    making["create"] = lambda path: os.open(path, os.O_CREAT | os.O_EXCL, 0o644)
    make("file", "file")
    for kind in KINDS:
        make(kind, "there")
        each(making, "EEXIST", "there")
        fails("EADDRINUSE", bind, "there")
        remove("there")
    fails("EEXIST", os.mkdir, ".")
    fails("EEXIST", os.mkdir, "..")


@case
def bad_address():
    """A path that is no memory of the process fails with EFAULT."""
    make("file", "file")
    nowhere = ctypes.c_void_p(1)
    for name in ("chmod", "mkdir", "mkfifo", "truncate", "open", "access", "statfs"):
        fails("EFAULT", syscall, name, nowhere, 0, 0)
    for name in ("unlink", "rmdir", "chdir"):
        fails("EFAULT", syscall, name, nowhere)
    for name in ("link", "symlink", "rename"):
        fails("EFAULT", syscall, name, nowhere, b"other")
        fails("EFAULT", syscall, name, b"file", nowhere)
    fails("EFAULT", syscall, "chown", nowhere, 1, 1)
    fails("EFAULT", syscall, "mknod", nowhere, 0o100644, 0)


@case
def any_bytes():
    """A name is any bytes but NUL and slash, also none of UTF-8, and those of one letter in another case stay apart."""
    names = [b"\xff\xfe", b"\x01\x02\n\t", b" ", b"...", b"-rf", b"\\", b"a", b"A", "ÄÖ".encode(), "äö".encode()]
    names += [bytes([byte]) for byte in range(128, 256)]
    for name in names:
        write(name, name)
    equal(sorted(os.listdir(b".")), sorted(names))
    for name in names:
        equal(read(name), name)
        os.unlink(name)
    equal(os.listdir(b"."), [])


@case
def from_a_removed_folder():
    """A folder that is removed while it is open can be looked at; it is empty, and nothing is made in it."""
    os.mkdir("gone")
    fd = os.open("gone", os.O_RDONLY | os.O_DIRECTORY)
    os.chdir("gone")
    os.rmdir("../gone")
    equal(os.fstat(fd).st_nlink, 0)
    equal(os.listdir(fd), [])
    for name in ("create", "mkdir", "mkfifo", "symlink"):
        fails("ENOENT", MAKING[name], "new")
    fails("ENOENT", os.getcwd)
    os.fchmod(fd, 0o700)
    equal(stat.S_IMODE(os.fstat(fd).st_mode), 0o700)
    os.fsync(fd)
    os.close(fd)
