"""truncate(2), ftruncate(2), posix_fallocate(3), and what files weigh."""

import os
import resource
import signal

from case import *


def by_path(size):
    os.truncate("it", size)


def by_descriptor(size):
    fd = os.open("it", os.O_WRONLY)
    os.ftruncate(fd, size)
    os.close(fd)


BOTH = (by_path, by_descriptor)


@case
def sizes():
    """A file shrinks and grows to the size asked for; what is new is zeros, also where there was content before."""
    for resize in BOTH:
        write("it")
        resize(1234567)
        equal(os.stat("it").st_size, 1234567)
        resize(567)
        equal(read("it"), bytes(567))
        content = os.urandom(12345)
        write("it", content)
        resize(23456)
        equal(read("it"), content + bytes(11111))
        resize(1)
        resize(12345)
        equal(read("it"), content[:1] + bytes(12344))
        os.unlink("it")


@case
def sizing_marks():
    """mtime and ctime are marked; ctime at least if the size was that already; nothing by who is refused."""
    for resize in BOTH:
        write("it", b"content")
        with updates(it="mc"), keeps("."):
            resize(123)
        with updates(it="c"):
            resize(123)
        with updates(it="mc"):
            resize(0)
        with keeps("it"), someone(ONE):
            fails("EACCES", resize, 5)


@case
def sizes_that_are_none():
    """A negative size fails with EINVAL; one that is too big with EFBIG or EINVAL, or it is the size then."""
    write("it", b"content")
    for resize in BOTH:
        fails("EINVAL", resize, -1)
    for resize in BOTH:
        for size in (999_999_999_999_999, 2**63 - 1):
            try:
                resize(size)
                equal(os.stat("it").st_size, size)
            except OSError as error:
                assert error.errno in (errno.EFBIG, errno.EINVAL)
                equal(os.stat("it").st_size, 7)
            resize(7)
    equal(read("it"), b"content")


@case
def what_has_no_size():
    """truncate fails with EISDIR for a folder, EINVAL for what is no file; ftruncate with EINVAL for who only reads."""
    os.mkdir("folder")
    fails("EISDIR", os.truncate, "folder", 0)
    for kind in ("fifo", "socket", "char", "block"):
        make(kind, kind)
        fails(("EINVAL", "ENXIO", "EPERM"), os.truncate, kind, 0)
    fails("EINVAL", os.ftruncate, os.open("folder", os.O_RDONLY), 0)
    write("it")
    fails("EINVAL", os.ftruncate, os.open("it", os.O_RDONLY), 0)


@case
def sizing_needs_permission():
    """truncate needs the right to write; ftruncate had it when the file was opened."""
    write("it", b"content")
    os.chown("it", ONE, ONE)
    with someone(ONE):
        fd = os.open("it", os.O_RDWR)
        os.chmod("it", 0o444)
        fails("EACCES", os.truncate, "it", 1)
        os.ftruncate(fd, 3)
    equal(read("it"), b"con")


@case
def limit_of_the_process():
    """A file does not grow over the limit of its process (RLIMIT_FSIZE): EFBIG, and what fits is written."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
    write("it")
    for resize in BOTH:
        fails("EFBIG", resize, 10_001)
        resize(10_000)
    fd = os.open("it", os.O_RDWR)
    equal(os.pwrite(fd, b"x" * 100, 9_950), 50)
    fails("EFBIG", os.pwrite, fd, b"x", 10_000)


@case
def allocating():
    """posix_fallocate makes a file as long as that at least, marks it, and leaves what is in it."""
    write("it", b"content")
    fd = os.open("it", os.O_RDWR)
    os.posix_fallocate(fd, 3, 2)
    equal(os.fstat(fd).st_size, 7)
    with updates(it="c"):
        os.posix_fallocate(fd, 5, 100_000)
    equal(read("it"), b"content" + bytes(100_005 - 7))
    fails("EINVAL", os.posix_fallocate, fd, 0, 0)
    fails("EINVAL", os.posix_fallocate, fd, -1, 5)
    fails("EINVAL", os.posix_fallocate, fd, 5, -1)
    fails("EFBIG", os.posix_fallocate, fd, 2**63 - 2, 2**62)
    os.mkfifo("fifo")
    fails("ESPIPE", os.posix_fallocate, os.open("fifo", os.O_RDWR), 0, 1)


@case
def writing_far_away():
    """A write behind the end leaves zeros before it that take no space; one beyond what a file may be fails with EFBIG."""
    fd = os.open("it", os.O_CREAT | os.O_RDWR)
    os.pwrite(fd, b"far", 1 << 33)
    os.fsync(fd)
    found = os.stat("it")
    equal(found.st_size, (1 << 33) + 3)
    assert found.st_blocks < 100
    equal(os.pread(fd, 9, (1 << 33) - 6), bytes(6) + b"far")
    equal(os.pread(fd, 1 << 16, 12345), bytes(1 << 16))
    fails(("EFBIG", "EINVAL"), os.pwrite, fd, b"xx", 2**63 - 2)


@case
def blocks():
    """st_blocks tells of 512 bytes what is there; st_blksize is a size to write at a time."""
    write("it", os.urandom(1 << 20))
    os.fsync(os.open("it", os.O_RDONLY))
    found = os.stat("it")
    assert (1 << 20) <= found.st_blocks * 512 <= (1 << 20) + (1 << 17), found.st_blocks
    assert found.st_blksize >= 512
    os.truncate("it", 1 << 30)
    assert os.stat("it").st_blocks * 512 <= (1 << 20) + (1 << 17)
    os.truncate("it", 0)
    equal(os.stat("it").st_blocks, 0)


@case
def file_system():
    """statvfs tells sizes that make sense, names of 255 bytes, and the same of all in one file system."""
    write("it")
    found = os.statvfs("it")
    assert 0 <= found.f_bavail <= found.f_bfree <= found.f_blocks
    assert found.f_bsize >= 512 and found.f_frsize >= 512
    equal(found.f_namemax, 255)
    equal(os.pathconf("it", "PC_NAME_MAX"), 255)
    equal(os.statvfs(".").f_blocks, os.fstatvfs(os.open("it", os.O_RDONLY)).f_blocks)
    equal(os.stat("it").st_dev, os.stat(".").st_dev)
