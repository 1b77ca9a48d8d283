"""System calls on ranges of files, as the man pages say: `ranges.py CASE FOLDER`. Ends with 1 and says where it failed."""

import ctypes
import errno
import mmap
import os
import random
import sys

KIB = 1024
MIB = 1024 * KIB
KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE = 1, 2, 8, 16, 32

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def fallocate(fd, mode, start, length):
    if libc.fallocate(fd, mode, start, length) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def link(fd, name):
    at_cwd, follow = -100, 0x400
    path = os.fsencode(os.path.join(folder, name))
    if libc.linkat(at_cwd, f"/proc/self/fd/{fd}".encode(), at_cwd, path, follow) != 0:
        raise OSError(ctypes.get_errno(), "linkat")


def fails(number, call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        assert error.errno == number, f"{errno.errorcode[error.errno]}, not {errno.errorcode[number]}"
        return
    raise AssertionError(f"no {errno.errorcode[number]}")


def make(name, content=b""):
    fd = os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    at = 0
    while at < len(content):
        at += os.write(fd, content[at : at + 8 * MIB])
    return fd


def read_all(fd):
    size = os.fstat(fd).st_size
    parts = []
    at = 0
    while at < size:
        parts.append(os.pread(fd, 8 * MIB, at))
        at += len(parts[-1])
    return b"".join(parts)


def copy(source, target, length, start, to):
    done = 0
    while done < length:
        count = os.copy_file_range(source, target, length - done, start + done, to + done)
        if count == 0:
            break
        done += count
    return done


def taken(fd):
    return os.fstat(fd).st_blocks * 512


def same_after_reopening(name, expected):
    fd = os.open(os.path.join(folder, name), os.O_RDONLY)
    assert read_all(fd) == expected
    os.close(fd)


def holes():
    """Zeros that were cut out, or never written, take no space and read as zeros."""
    content = bytearray(os.urandom(4 * MIB))
    fd = make("holes", content)
    os.fsync(fd)
    assert taken(fd) >= 4 * MIB
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, MIB, 2 * MIB)
    content[MIB : 3 * MIB] = bytes(2 * MIB)
    assert os.fstat(fd).st_size == 4 * MIB
    assert abs(taken(fd) - 2 * MIB) <= 64 * KIB, taken(fd)
    assert read_all(fd) == content
    # Not on the border of a page, and past the end.
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 100, 1000)
    content[100:1100] = bytes(1000)
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 4 * MIB - 10, MIB)
    content[-10:] = bytes(10)
    assert read_all(fd) == content
    fails(errno.EOPNOTSUPP, fallocate, fd, PUNCH_HOLE, 0, 1)
    os.close(fd)
    same_after_reopening("holes", content)


def zeros():
    """ZERO_RANGE makes zeros, and the file longer unless it is told not to."""
    content = bytearray(os.urandom(200 * KIB))
    fd = make("zeros", content)
    fallocate(fd, ZERO_RANGE | KEEP_SIZE, 150 * KIB, 100 * KIB)
    content[150 * KIB :] = bytes(50 * KIB)
    assert read_all(fd) == content
    fallocate(fd, ZERO_RANGE, 150 * KIB, 100 * KIB)
    content.extend(bytes(50 * KIB))
    assert read_all(fd) == content
    os.close(fd)
    same_after_reopening("zeros", content)


def allocation():
    """fallocate makes a file longer, or only says whether there is room."""
    fd = make("allocation", b"x")
    fallocate(fd, KEEP_SIZE, 0, MIB)
    assert os.fstat(fd).st_size == 1
    fallocate(fd, 0, 10, 3 * MIB)
    assert read_all(fd) == b"x" + bytes(3 * MIB + 9)
    fallocate(fd, 0, 0, 1)
    assert os.fstat(fd).st_size == 3 * MIB + 10
    os.close(fd)
    same_after_reopening("allocation", b"x" + bytes(3 * MIB + 9))


def room():
    """fallocate fails where there is clearly no room, and changes nothing then."""
    fd = make("room", b"x")
    fails(errno.ENOSPC, fallocate, fd, 0, 0, 2**50)
    fails(errno.ENOSPC, fallocate, fd, KEEP_SIZE, 0, 2**50)
    assert os.fstat(fd).st_size == 1
    os.close(fd)


def largest():
    """A file has up to 2^53 - 1 bytes; what would make it larger fails with EFBIG."""
    fd = make("largest")
    os.pwrite(fd, b"z", 2**53 - 2)
    assert os.fstat(fd).st_size == 2**53 - 1
    assert os.pread(fd, 5, 2**53 - 3) == b"\0z"
    assert os.lseek(fd, 0, os.SEEK_DATA) <= 2**53 - 2
    fails(errno.EFBIG, os.pwrite, fd, b"zz", 2**53 - 2)
    fails(errno.EFBIG, os.pwrite, fd, b"z", 2**60)
    fails(errno.EFBIG, os.ftruncate, fd, 2**53)
    fails(errno.EFBIG, fallocate, fd, 0, 2**53 - 2, 2)
    assert os.fstat(fd).st_size == 2**53 - 1
    os.fsync(fd)
    os.close(fd)
    assert os.stat(os.path.join(folder, "largest")).st_size == 2**53 - 1


def shifting():
    """What moves the rest of a file is refused."""
    fd = make("shifting", bytes(8 * MIB))
    fails(errno.EOPNOTSUPP, fallocate, fd, COLLAPSE_RANGE, 0, MIB)
    fails(errno.EOPNOTSUPP, fallocate, fd, INSERT_RANGE, 0, MIB)
    os.close(fd)


def seeking():
    """SEEK_DATA and SEEK_HOLE find what is a hole, whether or not it was closed since."""
    name = os.path.join(folder, "seeking")
    fd = make("seeking")
    os.ftruncate(fd, 64 * MIB)
    os.pwrite(fd, os.urandom(MIB), 8 * MIB)
    os.pwrite(fd, os.urandom(MIB), 32 * MIB)
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 8 * MIB + 512 * KIB, 256 * KIB)
    for turn in range(2):
        found = lambda position, what: os.lseek(fd, position, what) / MIB
        assert found(0, os.SEEK_HOLE) == 0
        assert found(0, os.SEEK_DATA) == 8
        assert found(8 * MIB + 5, os.SEEK_DATA) == 8 + 5 / MIB
        assert found(8 * MIB, os.SEEK_HOLE) == 8.5
        assert found(8 * MIB + 512 * KIB, os.SEEK_DATA) == 8.75
        assert found(8 * MIB + 800 * KIB, os.SEEK_HOLE) == 9
        assert found(10 * MIB, os.SEEK_DATA) == 32
        assert found(32 * MIB, os.SEEK_HOLE) == 33
        fails(errno.ENXIO, os.lseek, fd, 33 * MIB, os.SEEK_DATA)
        fails(errno.ENXIO, os.lseek, fd, 64 * MIB, os.SEEK_DATA)
        fails(errno.ENXIO, os.lseek, fd, 64 * MIB, os.SEEK_HOLE)
        os.close(fd)
        fd = os.open(name, os.O_RDONLY)
    os.close(fd)
    whole = make("whole", os.urandom(5000))
    assert os.lseek(whole, 0, os.SEEK_HOLE) == 5000
    assert os.lseek(whole, 4999, os.SEEK_DATA) == 4999
    os.close(whole)


def copying():
    """copy_file_range takes any bytes over, from what was not closed too, and what was mapped or cached shows them."""
    content = os.urandom(5 * MIB)
    source = make("source", content)
    expected = bytearray(os.urandom(6 * MIB))
    target = make("target", expected)
    mapped = mmap.mmap(target, 6 * MIB, mmap.MAP_SHARED, mmap.PROT_READ)
    assert mapped[:] == bytes(expected)
    assert copy(source, target, 3 * MIB + 77, 1000, 2 * MIB - 3) == 3 * MIB + 77
    expected[2 * MIB - 3 : 5 * MIB + 74] = content[1000 : 3 * MIB + 1077]
    assert mapped[:] == bytes(expected)
    assert read_all(target) == expected
    # Up to the end of the source, and past that of the target.
    assert copy(source, target, 2**40, 4 * MIB, 6 * MIB + 50) == MIB
    expected.extend(bytes(50) + content[4 * MIB :])
    assert read_all(target) == expected
    assert copy(source, target, 10, 5 * MIB, 0) == 0
    # Within one file.
    fails(errno.EINVAL, os.copy_file_range, target, target, MIB, 0, MIB - 1)
    assert copy(target, target, MIB, 0, 3 * MIB) == MIB
    expected[3 * MIB : 4 * MIB] = expected[:MIB]
    assert read_all(target) == expected
    # The copy is one: what is written to either shows in it alone.
    os.pwrite(source, b"changed", 4 * MIB)
    os.pwrite(target, b"other", 6 * MIB + 60)
    expected[6 * MIB + 60 : 6 * MIB + 65] = b"other"
    assert read_all(target) == expected
    mapped.close()
    os.close(source)
    os.close(target)
    same_after_reopening("target", expected)


def sparse_copy():
    """What is copied of a hole stays one."""
    source = make("sparse source")
    os.ftruncate(source, 32 * MIB)
    data = os.urandom(MIB)
    os.pwrite(source, data, 16 * MIB)
    target = make("sparse target")
    # ext4 stops at a hole.
    for start in range(0, 32 * MIB, MIB):
        if start == 16 * MIB:
            assert copy(source, target, MIB, start, start) == MIB
    os.ftruncate(target, 32 * MIB)
    assert read_all(target) == bytes(16 * MIB) + data + bytes(15 * MIB)
    assert taken(target) <= MIB + 64 * KIB
    os.close(source)
    os.close(target)


def far():
    """A file of a TiB with one byte at its end is written and read at once, and takes nearly nothing."""
    fd = make("far")
    os.pwrite(fd, b"z", 2**40 - 1)
    assert os.fstat(fd).st_size == 2**40
    assert os.pread(fd, 10, 2**40 - 5) == b"\0\0\0\0z"
    assert os.pread(fd, MIB, 2**39) == bytes(MIB)
    os.fsync(fd)
    assert taken(fd) <= 64 * KIB
    os.ftruncate(fd, 2**39)
    os.ftruncate(fd, 2**40)
    assert os.pread(fd, 10, 2**40 - 5) == bytes(5)
    os.close(fd)


def unlinked():
    """A file of O_TMPFILE has no name until it is linked; unlinked it is gone with the last close."""
    before = sorted(os.listdir(folder))
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o640)
    content = os.urandom(300 * KIB)
    os.write(fd, content)
    assert os.fstat(fd).st_nlink == 0
    assert os.fstat(fd).st_size == len(content)
    assert read_all(fd) == content
    os.fsync(fd)
    assert sorted(os.listdir(folder)) == before
    name = os.path.join(folder, "named")
    link(fd, "named")
    assert os.stat(name).st_ino == os.fstat(fd).st_ino
    assert os.stat(name).st_nlink == 1
    assert os.stat(name).st_mode & 0o7777 == 0o640
    os.write(fd, b"more")
    os.close(fd)
    same_after_reopening("named", content + b"more")
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"gone")
    os.close(fd)
    assert sorted(os.listdir(folder)) == sorted([*before, "named"])
    fd = os.open(folder, os.O_TMPFILE | os.O_EXCL | os.O_RDWR, 0o600)
    fails(errno.ENOENT, link, fd, "never")
    os.close(fd)


def random_steps():
    """Whatever is done in whatever order, the file is what an array would be."""
    chance = random.Random(5)
    size_max = 3 * MIB
    expected = [bytearray(), bytearray()]
    fds = [make("random 0"), make("random 1")]
    for step in range(400):
        one = chance.randrange(2)
        fd, array = fds[one], expected[one]
        align = chance.choice([1, 4096])
        place = lambda limit: chance.randrange(limit + 1) // align * align
        position, length = place(size_max), place(chance.choice([5000, MIB]))
        end = position + length
        match chance.randrange(7):
            case 0 | 1:
                content = chance.randbytes(length)
                os.pwrite(fd, content, position)
                if length > 0:
                    array.extend(bytes(max(0, end - len(array))))
                    array[position:end] = content
            case 2:
                os.ftruncate(fd, position)
                del array[position:]
                array.extend(bytes(position - len(array)))
            case 3 if length > 0:
                fallocate(fd, PUNCH_HOLE | KEEP_SIZE, position, length)
                array[position:end] = bytes(max(0, min(end, len(array)) - position))
            case 4 if length > 0:
                fallocate(fd, ZERO_RANGE, position, length)
                array.extend(bytes(max(0, end - len(array))))
                array[position:end] = bytes(length)
            case 5:
                other = expected[1 - one]
                start = place(size_max)
                content = other[start : start + length]
                assert copy(fds[1 - one], fd, length, start, position) == len(content)
                if content:
                    array.extend(bytes(max(0, position + len(content) - len(array))))
                    array[position : position + len(content)] = content
            case 6 if chance.random() < 0.3:
                os.close(fd)
                fds[one] = os.open(os.path.join(folder, f"random {one}"), os.O_RDWR)
            case _:
                assert os.pread(fd, length, position) == array[position:end], f"step {step}"
        assert os.fstat(fds[one]).st_size == len(array), f"step {step}"
    for fd, array in zip(fds, expected):
        assert read_all(fd) == array
        os.close(fd)
    same_after_reopening("random 0", expected[0])
    same_after_reopening("random 1", expected[1])


# The disk of whoever tests should not be filled, and ext4 has another limit, and moves bytes.
NOT_ELSEWHERE = [room, largest, shifting]
CASES = [
    holes,
    zeros,
    allocation,
    room,
    largest,
    shifting,
    seeking,
    copying,
    sparse_copy,
    far,
    unlinked,
    random_steps,
]

if len(sys.argv) < 3:
    for case in CASES:
        print(f"{case.__name__}\t{case.__doc__}\t{case not in NOT_ELSEWHERE}")
else:
    folder = sys.argv[2]
    next(case for case in CASES if case.__name__ == sys.argv[1])()
