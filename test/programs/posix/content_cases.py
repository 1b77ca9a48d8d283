"""read(2), write(2), mmap(2), msync(2), copy_file_range(2), access(2), inotify(7): what is in files."""

import mmap
import os
import select
import struct

from case import *


@case
def positions():
    """Each open has its own position; dup shares it; reads end at the end of the file, and start nowhere behind."""
    write("it", b"0123456789")
    one, two = os.open("it", os.O_RDWR), os.open("it", os.O_RDWR)
    shared = os.dup(one)
    equal((os.read(one, 4), os.read(two, 2), os.read(shared, 3)), (b"0123", b"01", b"456"))
    equal(os.lseek(one, -1, os.SEEK_END), 9)
    equal((os.read(one, 9), os.read(one, 9)), (b"9", b""))
    equal(os.pread(one, 9, 100), b"")
    fails("EINVAL", os.lseek, one, -1, os.SEEK_SET)
    equal(os.lseek(one, 20, os.SEEK_SET), 20)
    os.write(one, b"x")
    equal(read("it"), b"0123456789" + bytes(10) + b"x")


@case
def vectors():
    """readv, writev, preadv and pwritev are one read or write."""
    fd = os.open("it", os.O_CREAT | os.O_RDWR)
    equal(os.writev(fd, [b"one", b"", b"two" * 5000, b"three"]), 15008)
    parts = [bytearray(3), bytearray(15000), bytearray(10)]
    equal(os.preadv(fd, parts, 0), 15008)
    equal(bytes(parts[2][:5]), b"three")
    equal(os.pwritev(fd, [b"A", b"B"], 2), 2)
    equal(os.pread(fd, 4, 1), b"nABw")


@case
def seen_at_once():
    """What one process writes another reads at once, and the size with it, before it is closed."""
    writer, reader = os.open("it", os.O_CREAT | os.O_WRONLY), os.open("it", os.O_RDONLY)
    size = 0
    for turn in range(40):
        content = b"%d" % turn * (turn * 7 + 1)
        os.write(writer, content)
        child = os.fork()
        if child == 0:
            os._exit(0 if os.pread(reader, 1 << 20, size) == content else 1)
        equal(os.waitpid(child, 0)[1], 0)
        size += len(content)
        equal(os.stat("it").st_size, size)


@case
def mapped_shared():
    """What is written to a shared mapping is read from the file, and the other way round; it is kept after msync."""
    size = 3 * mmap.PAGESIZE + 100
    write("it", bytes(size))
    fd = os.open("it", os.O_RDWR)
    mapped = mmap.mmap(fd, size)
    mapped[5000:5005] = b"mmap!"
    equal(os.pread(fd, 5, 5000), b"mmap!")
    os.pwrite(fd, b"write", 100)
    equal(mapped[100:105], b"write")
    mapped[size - 1] = 7
    mapped.flush()
    child = os.fork()
    if child == 0:
        mapped[0:5] = b"child"
        os._exit(0)
    os.waitpid(child, 0)
    equal(mapped[0:5], b"child")
    mapped.close()
    os.close(fd)
    found = read("it")
    equal((found[:5], found[100:105], found[5000:5005], found[-1], len(found)), (b"child", b"write", b"mmap!", 7, size))


@case
def mapped_outlives():
    """A mapping outlives its descriptor and the file's name."""
    write("it", b"x" * 10_000)
    fd = os.open("it", os.O_RDWR)
    mapped = mmap.mmap(fd, 10_000)
    os.close(fd)
    mapped[9_000] = ord("y")
    mapped.flush()
    equal(read("it")[9_000:9_001], b"y")
    os.unlink("it")
    mapped[9_001] = ord("z")
    mapped.flush()
    equal(mapped[8_999:9_002], b"xyz")


@case
def mapped_private():
    """What is written to a private mapping stays there."""
    write("it", b"x" * 10_000)
    fd = os.open("it", os.O_RDONLY)
    mapped = mmap.mmap(fd, 10_000, mmap.MAP_PRIVATE)
    mapped[0:5] = b"mine!"
    os.pwrite(os.open("it", os.O_WRONLY), b"theirs", 5_000)
    mapped.close()
    equal(read("it")[:5] + read("it")[5_000:5_006], b"xxxxxtheirs")


@case
def mapped_marks():
    """A write to a shared mapping has marked mtime and ctime after msync."""
    write("it", b"x" * 10_000)
    fd = os.open("it", os.O_RDWR)
    mapped = mmap.mmap(fd, 10_000)
    with updates(it="mc"):
        mapped[0] = 1
        mapped.flush()


@case
def mapped_and_truncated():
    """A file grows and shrinks under its mapping; what is cut is zeros when it comes back."""
    write("it", b"x" * 20_000)
    fd = os.open("it", os.O_RDWR)
    mapped = mmap.mmap(fd, 20_000)
    equal(mapped[19_999], ord("x"))
    os.ftruncate(fd, 100)
    os.ftruncate(fd, 20_000)
    equal(mapped[:], b"x" * 100 + bytes(19_900))


@case
def copies():
    """copy_file_range copies inside a file and between two, marks the target, and takes its set-uid bit."""
    content = os.urandom(300_000)
    write("one", content)
    write("two")
    source, target = os.open("one", os.O_RDWR), os.open("two", os.O_RDWR)
    with updates(two="mc"), keeps("one"):
        done = 0
        while done < len(content):
            done += os.copy_file_range(source, target, len(content) - done, done, done)
    equal(read("two"), content)
    equal(os.copy_file_range(source, source, 1000, 0, 400_000), 1000)
    equal(read("one"), content + bytes(100_000) + content[:1000])
    fails("EINVAL", os.copy_file_range, source, source, 1000, 0, 10)
    os.chmod("two", 0o4777)
    with someone(ONE):
        os.copy_file_range(source, os.open("two", os.O_WRONLY), 1000, 5, 5)
    equal(mode_of("two"), 0o777)


@case
def may_access():
    """access and faccessat go by the real user, or the effective one if asked."""
    write("it")
    os.chmod("it", 0o640)
    os.chown("it", ONE, ONE)
    with someone(ONE):
        assert os.access("it", os.R_OK | os.W_OK, effective_ids=True)
        assert not os.access("it", os.X_OK, effective_ids=True)
    with someone(OTHER):
        assert os.access("it", os.R_OK)
        assert not os.access("it", os.R_OK, effective_ids=True)
    fails("ENOENT", syscall, "access", b"absent", os.F_OK)


@case
def watched():
    """inotify tells what happens to names and files in a folder."""
    fd = syscall("inotify_init1", os.O_NONBLOCK)
    syscall("inotify_add_watch", fd, b".", 0xFFF)
    write("it", b"x")
    os.rename("it", "new")
    os.chmod("new", 0o600)
    os.unlink("new")
    assert select.select([fd], [], [], 10)[0]
    said, at, events = os.read(fd, 65536), 0, []
    while at < len(said):
        _, mask, _, length = struct.unpack_from("iIII", said, at)
        events.append((mask & 0xFFF, said[at + 16 : at + 16 + length].rstrip(b"\0").decode()))
        at += 16 + length
    expected = [(0x100, "it"), (2, "it"), (8, "it"), (0x40, "it"), (0x80, "new"), (4, "new"), (0x200, "new")]
    equal([event for event in events if event in expected], expected)


@case
def direct():
    """O_DIRECT reads what was written and writes what is read, whole blocks at a time."""
    write("it", bytes(8192))
    fd = os.open("it", os.O_RDWR | os.O_DIRECT)
    block = mmap.mmap(-1, 4096)
    block[:] = b"d" * 4096
    equal(os.pwritev(fd, [block], 4096), 4096)
    equal(read("it"), bytes(4096) + b"d" * 4096)
    write("it", b"w" * 4096, flags=0)
    equal(os.preadv(fd, [block], 0), 4096)
    equal(block[:], b"w" * 4096)


@case
def synced_writes():
    """O_SYNC, O_DSYNC, fsync, fdatasync and syncfs succeed, for folders too."""
    for flag in (os.O_SYNC, os.O_DSYNC):
        write("it", b"x", flags=flag)
    for path in ("it", "."):
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.fdatasync(fd)
        syscall("syncfs", fd)
