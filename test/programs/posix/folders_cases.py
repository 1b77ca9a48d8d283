"""readdir(3), telldir(3), seekdir(3): reading folders, also while they change."""

import os
import struct

from case import *

libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.c_void_p
libc.telldir.restype = ctypes.c_long
for name in ("opendir", "readdir", "telldir", "seekdir", "rewinddir", "closedir"):
    getattr(libc, name).argtypes = [ctypes.c_char_p] if name == "opendir" else [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
libc.seekdir.restype = libc.rewinddir.restype = None


def next_name(folder):
    entry = libc.readdir(folder)
    return None if not entry else ctypes.string_at(entry + 19).decode()


def rest(folder):
    names = []
    while (name := next_name(folder)) is not None:
        names.append(name)
    return names


def fill(count):
    names = [f"name{number:05}" for number in range(count)]
    for name in names:
        os.mknod(name)
    return names


@case
def lists_all():
    """A folder lists what is in it, each name once, with '.' and '..'."""
    names = fill(2000)
    found = rest(libc.opendir(b"."))
    equal(sorted(found), sorted([*names, ".", ".."]))


@case
def types_and_inodes():
    """An entry says what kind of thing it is, and its inode as stat does."""
    for kind in KINDS:
        make(kind, kind)
    with os.scandir(".") as entries:
        for entry in entries:
            equal(entry.inode(), inode_of(entry.name), entry.name)
            equal(entry.is_file(follow_symlinks=False), entry.name == "file")
            equal(entry.is_dir(follow_symlinks=False), entry.name == "folder")
            equal(entry.is_symlink(), entry.name == "symlink")
    types = {}
    folder = libc.opendir(b".")
    while entry := libc.readdir(folder):
        inode, _, _, kind = struct.unpack("QqHB", ctypes.string_at(entry, 19))
        name = ctypes.string_at(entry + 19).decode()
        types[name] = kind
        if name == ".":
            equal(inode, inode_of("."))
    codes = {"file": 8, "folder": 4, "fifo": 1, "block": 6, "char": 2, "socket": 12, "symlink": 10, ".": 4, "..": 4}
    equal(types, codes)


@case
def seeking():
    """seekdir goes back to where telldir was, from anywhere and any number of times; rewinddir to the start."""
    fill(500)
    folder = libc.opendir(b".")
    places, names = [], []
    while True:
        places.append(libc.telldir(folder))
        name = next_name(folder)
        if name is None:
            break
        names.append(name)
    equal(len(set(places)), len(places))
    for index in (100, 3, 499, 0, 250, 501, 100):
        libc.seekdir(folder, places[index])
        equal(next_name(folder), names[index])
    libc.seekdir(folder, places[400])
    equal(rest(folder), names[400:])
    libc.rewinddir(folder)
    equal(rest(folder), names)


@case
def removing_while_reading():
    """Who removes each name as it is read has read and removed all 10,000."""
    names = fill(10_000)
    folder = libc.opendir(b".")
    found = []
    while (name := next_name(folder)) is not None:
        if name not in (".", ".."):
            os.unlink(name)
            found.append(name)
    equal(sorted(found), names)
    equal(os.listdir("."), [])


@case
def changing_while_reading():
    """What is there all the time is read once, whatever is made, moved and removed meanwhile."""
    stays = fill(2000)
    folder = libc.opendir(b".")
    found = []
    for turn in range(100):
        write(f"new{turn}")
        if turn % 3 == 0:
            os.rename(f"new{turn}", f"moved{turn}")
        if turn % 3 == 1:
            os.unlink(f"new{turn}")
        found += [name for name in (next_name(folder) for _ in range(20)) if name]
    found += rest(folder)
    equal(sorted(name for name in found if name.startswith("name")), stays)
    libc.rewinddir(folder)
    again = rest(folder)
    equal(len(again), len(set(again)))
    equal(sorted(name for name in again if name not in (".", "..")), sorted(os.listdir(".")))


@case
def rewinding_shows_news():
    """rewinddir shows what came and went since the folder was opened."""
    fill(10)
    folder = libc.opendir(b".")
    equal(len(rest(folder)), 12)
    write("new")
    os.unlink("name00003")
    libc.rewinddir(folder)
    found = rest(folder)
    assert "new" in found and "name00003" not in found


@case
def news_at_once():
    """A name is listed as soon as it is made, moved or linked, and no more once it is gone, in a folder just listed."""
    for turn in range(50):
        equal(os.listdir("."), [])
        write("one")
        equal(os.listdir("."), ["one"])
        os.rename("one", "two")
        equal(os.listdir("."), ["two"])
        os.link("two", "three")
        equal(sorted(os.listdir(".")), ["three", "two"])
        os.unlink("two")
        os.unlink("three")


@case
def reading_needs_permission():
    """Names are read with the right to read a folder, found with that to search it."""
    os.mkdir("folder")
    write("folder/file", b"x")
    os.chmod("folder", 0o711)
    with someone(ONE):
        fails("EACCES", os.listdir, "folder")
        equal(read("folder/file"), b"x")
    os.chmod("folder", 0o744)
    with someone(ONE):
        equal(os.listdir("folder"), ["file"])
        fails("EACCES", os.stat, "folder/file")


@case
def moved_parent():
    """'..' leads to where a folder is now."""
    os.makedirs("one/inner")
    os.mkdir("two")
    fd = os.open("one/inner", os.O_RDONLY)
    os.rename("one/inner", "two/inner")
    equal(os.stat("..", dir_fd=fd).st_ino, inode_of("two"))
    os.fsync(fd)
