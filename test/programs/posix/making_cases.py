"""mkdir(2), mkfifo(3), mknod(2), bind(2), symlink(2), readlink(2)."""

import os
import socket

from case import *


@case
def folders_modes():
    """mkdir makes a folder with the mode asked for, less the umask."""
    for mask, mode, expected in (
        (0o22, 0o755, 0o755),
        (0o22, 0o151, 0o151),
        (0o77, 0o151, 0o100),
        (0o70, 0o345, 0o305),
        (0o501, 0o345, 0o244),
        (0, 0o1777, 0o1777),
    ):
        with umask(mask):
            os.mkdir("it", mode)
        equal((kind_of("it"), mode_of("it")), ("folder", expected))
        os.rmdir("it")


@case
def fifos_and_nodes_modes():
    """mkfifo and mknod give the mode asked for, less the umask."""
    for mask, mode, expected in ((0o22, 0o755, 0o755), (0o77, 0o151, 0o100), (0o501, 0o345, 0o244)):
        for kind, make_it in (
            ("fifo", lambda: os.mkfifo("it", mode)),
            ("fifo", lambda: os.mknod("it", stat.S_IFIFO | mode)),
            ("file", lambda: os.mknod("it", stat.S_IFREG | mode)),
            ("socket", lambda: os.mknod("it", stat.S_IFSOCK | mode)),
            ("char", lambda: os.mknod("it", stat.S_IFCHR | mode, os.makedev(1, 3))),
            ("block", lambda: os.mknod("it", stat.S_IFBLK | mode, os.makedev(1, 3))),
        ):
            with umask(mask):
                make_it()
            equal((kind_of("it"), mode_of("it")), (kind, expected))
            os.unlink("it")


@case
def marks():
    """All marks of what is made are of now; mtime and ctime of its folder are marked."""
    import case

    for kind in KINDS:
        before = case.marks(".")["c"]
        with updates(here="mc"):
            make(kind, "it")
        for mark, time in case.marks("it").items():
            assert time > before, f"{mark}time of a {kind}"
        remove("it")


@case
def links_of_folders():
    """A folder has two links and one more for each folder in it, and its folder one for it; files count for none."""
    equal(links_of("."), 2)
    os.mkdir("it")
    equal((links_of("it"), links_of(".")), (2, 3))
    for name in ("one", "two"):
        os.mkdir(f"it/{name}")
        write(f"it/{name} file")
    equal((links_of("it"), links_of("."), os.stat("it/one/..").st_ino), (4, 3, inode_of("it")))
    os.rmdir("it/one")
    equal(links_of("it"), 3)


@case
def devices():
    """A device has the number that it was made with, of up to 12 and 20 bits."""
    for kind in ("char", "block"):
        bits = stat.S_IFCHR if kind == "char" else stat.S_IFBLK
        for major, minor in ((1, 2), (0, 0), (255, 255), (4095, 0xFFFFF)):
            os.mknod("it", bits | 0o644, os.makedev(major, minor))
            found = os.lstat("it").st_rdev
            equal((os.major(found), os.minor(found)), (major, minor))
            os.link("it", "second")
            equal(os.lstat("second").st_rdev, found)
            os.unlink("second")
            os.unlink("it")


@case
def devices_are_roots():
    """Only root makes devices: EPERM; anybody makes fifos, sockets and files with mknod."""
    os.chmod(".", 0o777)
    with someone(ONE):
        for bits in (stat.S_IFCHR, stat.S_IFBLK):
            fails("EPERM", os.mknod, "it", bits | 0o644, os.makedev(1, 3))
        for bits in (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFREG):
            os.mknod("it", bits | 0o644)
            os.unlink("it")
    fails("EPERM", os.mknod, "it", stat.S_IFDIR | 0o755)
    fails("EINVAL", os.mknod, "it", 0o050000 | 0o755)


@case
def fifo_of_two():
    """Two processes talk through a fifo."""
    os.mkfifo("it")
    child = os.fork()
    if child == 0:
        fd = os.open("it", os.O_WRONLY)
        os.write(fd, b"x" * 100_000)
        os._exit(0)
    got = read("it")
    os.waitpid(child, 0)
    equal(got, b"x" * 100_000)
    equal(os.stat("it").st_size, 0)


@case
def sockets_connect():
    """A socket is found by its name, under a second and a new one too, and by nobody who may not write it."""
    server = bind("it")
    server.listen()
    os.link("it", "second")
    os.rename("it", "renamed")
    for name in ("second", "renamed"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(name)
        accepted, _ = server.accept()
        client.sendall(b"hello")
        equal(accepted.recv(9), b"hello")
    os.chmod("second", 0o600)
    with someone(ONE):
        fails("EACCES", socket.socket(socket.AF_UNIX).connect, "second")
    server.close()
    fails("ECONNREFUSED", socket.socket(socket.AF_UNIX).connect, "second")


@case
def symlinks():
    """A symlink says what it was made with, whatever that is, of up to 4095 bytes, which is its size."""
    for target in (b"x", b"../nowhere", b"/abs", b"\xff\xfe", b"a//b/./c/", b"t" * 255, b"/".join([b"d" * 100] * 40)[:4095], b"t" * 4095):
        os.symlink(target, b"it")
        equal(os.readlink(b"it"), target)
        equal(os.lstat(b"it").st_size, len(target))
        equal(mode_of("it"), 0o777)
        os.unlink("it")
    fails("ENAMETOOLONG", os.symlink, "t" * 4096, "it")
    fails("ENOENT", os.symlink, "", "it")


@case
def symlinks_lead():
    """A symlink leads to what has the name then; to nothing, ENOENT."""
    write("file", b"content")
    os.symlink("file", "it")
    equal((read("it"), kind_of("it"), os.stat("it").st_ino), (b"content", "symlink", inode_of("file")))
    os.unlink("file")
    fails("ENOENT", os.stat, "it")
    os.mkdir("file")
    write("file/inner", b"inner")
    equal(read("it/inner"), b"inner")
    os.symlink("..", "file/up")
    equal(read("file/up/it/up/file/inner"), b"inner")


@case
def reading_links():
    """readlink fails with EINVAL for what is no symlink, and cuts what does not fit."""
    for kind in NOT_SYMLINKS:
        make(kind, "it")
        fails("EINVAL", os.readlink, "it")
        remove("it")
    os.symlink("0123456789", "it")
    room = ctypes.create_string_buffer(b"........")
    equal(syscall("readlink", b"it", room, 4), 4)
    equal(room.value, b"0123....")
