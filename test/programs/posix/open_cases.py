"""open(2), openat(2), close(2)."""

import multiprocessing
import os
import subprocess

from case import *


def opened(path, flags, mode=0o644):
    os.close(os.open(path, flags, mode))


@case
def makes_files():
    """O_CREAT makes a file with the mode asked for, less the umask."""
    for mask, mode, expected in (
        (0o22, 0o755, 0o755),
        (0o22, 0o151, 0o151),
        (0o77, 0o151, 0o100),
        (0o70, 0o345, 0o305),
        (0o501, 0o345, 0o244),
        (0, 0o7777, 0o7777),
        (0, 0, 0),
    ):
        with umask(mask):
            opened("it", os.O_CREAT | os.O_WRONLY, mode)
        equal((kind_of("it"), mode_of("it")), ("file", expected))
        os.unlink("it")


@case
def marks_when_making():
    """A new file has the time of now in all its marks, and its folder in mtime and ctime; one that was there has not."""
    before = marks(".")["c"]
    with updates(here="mc"):
        opened("it", os.O_CREAT | os.O_WRONLY)
    for mark, time in marks("it").items():
        assert time > before, mark
    with keeps(".", "it"):
        opened("it", os.O_CREAT | os.O_RDONLY)


@case
def truncates():
    """O_TRUNC empties a file and marks mtime and ctime, also if it was empty; its folder stays as it was."""
    write("it", b"test")
    for _ in range(2):
        with updates(it="mc"), keeps("."):
            opened("it", os.O_WRONLY | os.O_TRUNC)
        equal(os.stat("it").st_size, 0)


@case
def truncating_needs_write_permission():
    """O_TRUNC fails with EACCES for who may not write, though it opens for reading, and leaves the content."""
    write("it", b"x")
    os.chown("it", ONE, ONE)
    for mode in (0o477, 0o77, 0o177):
        os.chmod("it", mode)
        with someone(ONE):
            fails("EACCES", os.open, "it", os.O_RDONLY | os.O_TRUNC)
    os.chmod("it", 0o774)
    with someone(OTHER):
        fails("EACCES", os.open, "it", os.O_RDONLY | os.O_TRUNC)
    equal(read("it"), b"x")


@case
def exclusive():
    """O_EXCL makes what is not there, a file with mode 0 too, and does not follow symlinks."""
    fd = os.open("it", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0)
    os.write(fd, b"x")
    equal(os.pread(fd, 1, 0), b"x")
    os.symlink("nowhere", "link")
    fails("EEXIST", os.open, "link", os.O_CREAT | os.O_EXCL)
    absent("nowhere")
    opened("link", os.O_CREAT | os.O_RDWR)
    equal(kind_of("nowhere"), "file")


def take(name):
    try:
        opened(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        return 1
    except FileExistsError:
        return 0


@case
def exclusive_among_many():
    """Of processes that make a file with O_EXCL at a time, one does."""
    with multiprocessing.get_context("fork").Pool(8) as pool:
        for turn in range(30):
            equal(sum(pool.map(take, [f"file{turn}"] * 8, 1)), 1)


@case
def of_folders():
    """A folder opens for reading only: else EISDIR, with O_CREAT too; O_DIRECTORY refuses all else with ENOTDIR."""
    os.mkdir("folder")
    opened("folder", os.O_RDONLY | os.O_DIRECTORY)
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_TRUNC, os.O_CREAT):
        fails("EISDIR", os.open, "folder", flags)
    fd = os.open("folder", os.O_RDONLY)
    fails("EISDIR", os.read, fd, 1)
    fails("EBADF", os.write, fd, b"x")
    for kind in ("file", "fifo", "char", "socket"):
        make(kind, kind)
        fails("ENOTDIR", os.open, kind, os.O_RDONLY | os.O_DIRECTORY)
    fails("ENOTDIR", os.open, "file/", os.O_RDONLY)
    fails("EISDIR", os.open, "new/", os.O_CREAT | os.O_WRONLY)


@case
def not_following():
    """O_NOFOLLOW fails with ELOOP for a symlink; O_PATH opens even that."""
    write("file")
    os.symlink("file", "link")
    fails("ELOOP", os.open, "link", os.O_RDONLY | os.O_NOFOLLOW)
    fails("ELOOP", os.open, "link", os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW)
    opened("file", os.O_RDONLY | os.O_NOFOLLOW)
    fd = os.open("link", os.O_PATH | os.O_NOFOLLOW)
    equal(os.readlink("", dir_fd=fd), "file")


@case
def of_special_files():
    """A fifo without a reader fails with ENXIO if it is not waited for; a socket always does."""
    os.mkfifo("fifo")
    fails("ENXIO", os.open, "fifo", os.O_WRONLY | os.O_NONBLOCK)
    reader = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open("fifo", os.O_WRONLY | os.O_NONBLOCK)
    os.write(writer, b"through")
    equal(os.read(reader, 99), b"through")
    make("socket", "socket")
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
        fails("ENXIO", os.open, "socket", flags)


@case
def running_program():
    """A program that runs fails with ETXTBSY for who would write it, and one that is written does for who would run it."""
    write("program", read("/bin/sleep"), 0o755)
    fd = os.open("program", os.O_WRONLY)
    fails("ETXTBSY", subprocess.call, ["./program", "0"])
    os.close(fd)
    process = subprocess.Popen(["./program", "60"])
    try:
        fails("ETXTBSY", os.open, "program", os.O_WRONLY)
        fails("ETXTBSY", os.open, "program", os.O_RDWR | os.O_TRUNC)
        fails("ETXTBSY", os.truncate, "program", 1)
        os.unlink("program")
    finally:
        process.kill()
        process.wait()


def append(number):
    fd = os.open("it", os.O_WRONLY | os.O_APPEND)
    for turn in range(50):
        os.write(fd, b"%d-%02d" % (number, turn) + b"." * (number * 1000) + b"\n")
    os.close(fd)


@case
def appends():
    """What eight processes append with O_APPEND is there whole, each process's in its order."""
    write("it")
    with multiprocessing.get_context("fork").Pool(8) as pool:
        pool.map(append, range(8), 1)
    lines = read("it").split(b"\n")
    equal(lines.pop(), b"")
    equal(len(lines), 400)
    for number in range(8):
        own = [line for line in lines if line.startswith(b"%d-" % number)]
        equal(own, [b"%d-%02d" % (number, turn) + b"." * (number * 1000) for turn in range(50)])


@case
def appending_descriptor():
    """With O_APPEND a write goes to the end, wherever the descriptor was, and the descriptor with it."""
    write("it", b"start")
    fd = os.open("it", os.O_RDWR | os.O_APPEND)
    os.lseek(fd, 1, os.SEEK_SET)
    os.write(fd, b"!")
    equal(os.lseek(fd, 0, os.SEEK_CUR), 6)
    write("it", b"longer than that", flags=0)
    os.write(fd, b"?")
    equal(read("it"), b"longer than that?")


@case
def access_modes():
    """A descriptor does what it was opened for, and else fails with EBADF."""
    write("it", b"x")
    reader, writer = os.open("it", os.O_RDONLY), os.open("it", os.O_WRONLY)
    fails("EBADF", os.write, reader, b"y")
    fails("EBADF", os.read, writer, 1)
    fails("EINVAL", os.ftruncate, reader, 0)
    fails("EBADF", os.posix_fallocate, reader, 0, 1)
    path = os.open("it", os.O_PATH)
    fails("EBADF", os.read, path, 1)
    equal(os.fstat(path).st_size, 1)


@case
def by_mode_at_making():
    """Who makes a file has it open as asked for, whatever its mode says."""
    os.chmod(".", 0o777)
    with someone(ONE):
        fd = os.open("it", os.O_CREAT | os.O_RDWR, 0)
        os.write(fd, b"mine")
        equal(os.pread(fd, 9, 0), b"mine")
        fails("EACCES", os.open, "it", os.O_RDONLY)


@case
def relative_to_a_folder():
    """openat and the like start at an open folder, also when it is moved."""
    os.mkdir("folder")
    fd = os.open("folder", os.O_RDONLY)
    os.rename("folder", "moved")
    os.close(os.open("file", os.O_CREAT, dir_fd=fd))
    os.mkdir("inner", dir_fd=fd)
    os.rename("file", "inner/file", src_dir_fd=fd, dst_dir_fd=fd)
    os.link("inner/file", "second", src_dir_fd=fd, dst_dir_fd=fd)
    equal(sorted(os.listdir("moved")), ["inner", "second"])
    equal(os.stat("second", dir_fd=fd).st_nlink, 2)


@case
def without_a_name():
    """O_TMPFILE makes a file of no name with a mode and owner, which linkat may name unless O_EXCL was said."""
    os.chmod(".", 0o777)
    with someone(ONE):
        fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
    found = os.fstat(fd)
    equal((found.st_nlink, found.st_uid, stat.S_IMODE(found.st_mode)), (0, ONE, 0o640))
    os.write(fd, b"content")
    equal(os.listdir("."), [])
    name_open(fd, "it")
    equal((read("it"), links_of("it"), mode_of("it")), (b"content", 1, 0o640))
    fails("EINVAL", os.open, ".", os.O_TMPFILE | os.O_RDONLY)
    alone = os.open(".", os.O_TMPFILE | os.O_EXCL | os.O_RDWR)
    fails("ENOENT", name_open, alone, "other")


@case
def removed_while_open():
    """A file removed while it is open is there until it is closed: with its attributes, to read, write and change."""
    fd = os.open("it", os.O_CREAT | os.O_RDWR, 0o600)
    os.write(fd, b"Hello")
    os.unlink("it")
    equal(os.fstat(fd).st_nlink, 0)
    os.write(fd, b", World!")
    equal(os.pread(fd, 99, 0), b"Hello, World!")
    os.fsync(fd)
    os.ftruncate(fd, 5)
    os.fchmod(fd, 0o640)
    os.fchown(fd, 3, 4)
    os.utime(fd, ns=(1, 2))
    found = os.fstat(fd)
    equal((found.st_size, found.st_uid, found.st_mtime_ns, found.st_nlink), (5, 3, 2, 0))
    write("it", b"another")
    other = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    os.close(fd)
    equal(os.read(other, 99), b"Hello")
    fails("ENOENT", name_open, other, "again")


@case
def replaced_while_open():
    """A file that another was renamed over goes on for who has it open."""
    write("it", b"old")
    fd = os.open("it", os.O_RDWR)
    write("new", b"new")
    os.rename("new", "it")
    equal((os.read(fd, 9), os.fstat(fd).st_nlink, read("it")), (b"old", 0, b"new"))
    os.pwrite(fd, b"older", 0)
    equal((os.pread(fd, 9, 0), read("it")), (b"older", b"new"))


@case
def many_descriptors():
    """One file open a thousand times has one content."""
    write("it", b"0")
    descriptors = [os.open("it", os.O_RDWR) for _ in range(1000)]
    for number, fd in enumerate(descriptors):
        os.pwrite(fd, b"%03d" % number, 0)
        equal(os.pread(descriptors[-number], 3, 0), b"%03d" % number)
    for fd in descriptors:
        os.close(fd)
    equal(read("it"), b"999")
