"""link(2), unlink(2), rmdir(2)."""

import os
import subprocess

from case import *


@case
def linking():
    """link gives a file, or special file, another name; all show one mode, owner and count."""
    for kind in LINKABLE:
        make(kind, "one")
        equal(links_of("one"), 1)
        os.link("one", "two")
        os.link("two", "three")
        os.chmod("two", 0o201)
        os.chown("three", ONE, OTHER)
        names, left = ["one", "two", "three"], 3
        while names:
            for name in names:
                equal((kind_of(name), links_of(name), mode_of(name), owner_of(name)), (kind, left, 0o201, (ONE, OTHER)))
            gone = names.pop(0)
            os.unlink(gone)
            absent(gone)
            left -= 1


@case
def linked_content():
    """What is written under one name is read under the others."""
    write("one", b"x")
    os.link("one", "two")
    equal(inode_of("one"), inode_of("two"))
    write("two", b"changed", flags=0)
    equal((read("one"), os.stat("one").st_size), (b"changed", 7))
    os.truncate("one", 3)
    equal(read("two"), b"cha")


@case
def linking_marks():
    """link marks ctime of the file, and mtime and ctime of the folder; a link that fails none."""
    for kind in LINKABLE:
        make(kind, "one", None, ONE)
        modified = marks("one")["m"]
        with updates(one="c", here="mc"):
            os.link("one", "two")
        equal(marks("one")["m"], modified)
        with keeps("one", "."), someone(ONE):
            fails("EACCES", os.link, "one", "three")
        os.unlink("one")
        os.unlink("two")


@case
def linking_symlinks():
    """linkat links a symlink itself, or what it leads to if asked."""
    write("file", b"x")
    os.symlink("file", "link")
    os.link("link", "second", follow_symlinks=False)
    equal((kind_of("second"), links_of("link"), os.readlink("second")), ("symlink", 2, "file"))
    syscall("linkat", -100, b"link", -100, b"third", 0x400)
    equal((kind_of("third"), links_of("file")), ("file", 2))


@case
def linking_folders():
    """link fails with EPERM for a folder, for root too."""
    os.mkdir("folder")
    fails("EPERM", os.link, "folder", "second")
    os.chown("folder", ONE, ONE)
    os.chmod(".", 0o777)
    with someone(ONE):
        fails("EPERM", os.link, "folder", "second")
    equal(links_of("."), 3)


@case
def many_links():
    """A file has hundreds of names."""
    write("file", b"x")
    for number in range(300):
        os.link("file", f"name{number}")
    equal(links_of("name299"), 301)
    os.unlink("file")
    for number in range(299):
        os.unlink(f"name{number}")
    equal((links_of("name299"), read("name299")), (1, b"x"))


@case
def unlinking():
    """unlink removes all that is no folder."""
    for kind in NOT_FOLDERS:
        make(kind, "it")
        os.unlink("it")
        absent("it")


@case
def unlinking_marks():
    """unlink marks ctime of a file that has other names, and mtime and ctime of the folder; one that fails none."""
    for kind in LINKABLE:
        make(kind, "one")
        os.link("one", "two")
        with updates(one="c", here="mc"):
            os.unlink("two")
        with keeps("one", "."), someone(ONE):
            fails("EACCES", os.unlink, "one")
        with updates(here="mc"):
            os.unlink("one")
    os.symlink("x", "link")
    with updates(here="mc"):
        os.unlink("link")


@case
def unlinking_folders():
    """unlink fails with EISDIR for a folder; with ENOTDIR for what is named as one and is none."""
    os.mkdir("folder")
    fails("EISDIR", os.unlink, "folder")
    write("file")
    fails("ENOTDIR", os.unlink, "file/")
    fails(("EISDIR", "EINVAL", "EBUSY"), os.unlink, ".")
    os.rmdir("folder")


@case
def read_only_file():
    """A file's own mode does not keep it from being removed."""
    os.chmod(".", 0o777)
    write("file", mode=0)
    with someone(ONE):
        os.unlink("file")


@case
def sticky_folders():
    """From a sticky folder its owner, a file's owner and root remove, others not: EPERM."""
    os.mkdir("folder")
    os.chmod("folder", 0o1777)
    for kind in KINDS:
        for folder_owner in (ONE, 0, OTHER):
            for owner in (ONE, 0, OTHER):
                os.chown("folder", folder_owner, folder_owner)
                make(kind, "folder/it", None, owner)
                with someone(ONE):
                    if ONE in (folder_owner, owner):
                        remove("folder/it")
                        continue
                    fails(DENIED, remove, "folder/it")
                equal(owner_of("folder/it"), (owner, owner))
                remove("folder/it")


@case
def rmdir_removes():
    """rmdir removes an empty folder, counts its folder's links down and marks that one's mtime and ctime."""
    os.mkdir("folder")
    os.mkdir("folder/inner")
    with updates(folder="mc"):
        os.rmdir("folder/inner")
    equal(links_of("folder"), 2)
    os.rmdir("folder")
    absent("folder")


@case
def rmdir_of_a_full_folder():
    """rmdir fails with ENOTEMPTY for a folder with anything in it, and marks nothing."""
    os.mkdir("folder")
    for kind in KINDS:
        make(kind, "folder/it")
        with keeps(".", "folder"):
            fails(("ENOTEMPTY", "EEXIST"), os.rmdir, "folder")
        remove("folder/it")
    write("folder/.hidden")
    fails(("ENOTEMPTY", "EEXIST"), os.rmdir, "folder")


@case
def rmdir_of_others():
    """rmdir fails with ENOTDIR for what is no folder, EINVAL for '.', and ENOTEMPTY for '..'."""
    for kind in NOT_FOLDERS:
        make(kind, "it")
        fails("ENOTDIR", os.rmdir, "it")
        remove("it")
    os.makedirs("folder/inner")
    fails("EINVAL", os.rmdir, "folder/inner/.")
    fails(("ENOTEMPTY", "EEXIST"), os.rmdir, "folder/inner/..")
    os.symlink("folder/inner", "link")
    fails("ENOTDIR", os.rmdir, "link")
    equal(links_of("folder"), 3)


@case
def mount_points():
    """A folder on which something is mounted is busy: EBUSY to rmdir and rename."""
    os.mkdir("folder")
    os.mkdir("other")
    if subprocess.call(["mount", "-t", "tmpfs", "none", "folder"], stderr=subprocess.DEVNULL) != 0:
        raise Skipped("no tmpfs can be mounted")
    try:
        fails("EBUSY", os.rmdir, "folder")
        fails("EBUSY", os.rename, "folder", "moved")
        fails("EBUSY", os.rename, "other", "folder")
        fails("EXDEV", os.rename, write("file"), "folder/file")
        fails("EXDEV", os.link, "file", "folder/file")
    finally:
        subprocess.check_call(["umount", "folder"])
    os.rmdir("folder")


@case
def names_come_back():
    """A name that was removed is free at once for anything else."""
    for _ in range(5):
        for kind in KINDS:
            make(kind, "it")
            equal(kind_of("it"), kind)
            remove("it")
            absent("it")


@case
def remove_all():
    """A tree of folders is removed from below, and what was in it is gone."""
    for outer in range(8):
        for inner in range(8):
            os.makedirs(f"tree/{outer}/{inner}")
            write(f"tree/{outer}/{inner}/file")
    subprocess.check_call(["rm", "-r", "tree"])
    absent("tree")
    os.mkdir("tree")
    equal((os.listdir("tree"), links_of("tree")), ([], 2))
