"""chown(2), lchown(2), fchown(2), and what is whose."""

import os

from case import *


@case
def root_changes_all():
    """Root changes owner and group of anything; chown follows symlinks, lchown does not."""
    for kind in KINDS:
        make(kind, "it")
        os.lchown("it", 123, 456)
        equal(owner_of("it"), (123, 456))
        if kind != "symlink":
            os.symlink("it", "link")
            os.chown("link", 124, 457)
            equal((owner_of("it"), owner_of("link")), ((124, 457), (0, 0)))
            os.lchown("link", 1, 2)
            equal((owner_of("it"), owner_of("link")), ((124, 457), (1, 2)))
            os.unlink("link")
        remove("it")


@case
def minus_one():
    """-1 leaves owner or group as it is, and both is allowed to anybody."""
    for kind in KINDS:
        make(kind, "it", None, ONE, OTHER)
        os.lchown("it", -1, 5)
        equal(owner_of("it"), (ONE, 5))
        os.lchown("it", 6, -1)
        equal(owner_of("it"), (6, 5))
        with someone(ONE):
            os.lchown("it", -1, -1)
        equal(owner_of("it"), (6, 5))
        remove("it")


@case
def owner_changes_group():
    """An owner sets the group to one that the process is in."""
    for kind in KINDS:
        make(kind, "it", None, ONE, OTHER)
        with someone(ONE, 65532, 65531):
            os.lchown("it", -1, 65532)
            equal(owner_of("it"), (ONE, 65532))
            os.lchown("it", ONE, 65531)
            equal(owner_of("it"), (ONE, 65531))
            fails("EPERM", os.lchown, "it", -1, 65530)
            fails("EPERM", os.lchown, "it", OTHER, -1)
            fails("EPERM", os.lchown, "it", OTHER, 65532)
        remove("it")


@case
def others_may_not():
    """It fails with EPERM for others than the owner and root, and then leaves ctime."""
    for kind in KINDS:
        make(kind, "it")
        with keeps("it"), someone(ONE):
            fails("EPERM", os.lchown, "it", ONE, -1)
            fails("EPERM", os.lchown, "it", -1, ONE)
            fails("EPERM", os.lchown, "it", ONE, ONE)
        equal(owner_of("it"), (0, 0))
        remove("it")


@case
def marks_ctime():
    """ctime is marked for update, by root and by the owner, and nothing else."""
    for kind in KINDS:
        make(kind, "it")
        modified = marks("it")["m"]
        with updates(it="c"), keeps("."):
            os.lchown("it", ONE, OTHER)
        with updates(it="c"), someone(ONE, THIRD):
            os.lchown("it", ONE, THIRD)
        equal(marks("it")["m"], modified)
        remove("it")


@case
def takes_privileges():
    """Who is not root, and root too, clears set-uid and set-gid of what is no folder, whatever it is."""
    for kind in NOT_SYMLINKS:
        left = 0o6555 if kind == "folder" else 0o555
        make(kind, "it", 0o6555, ONE, OTHER)
        equal(mode_of("it"), 0o6555)
        with someone(ONE, OTHER, THIRD):
            os.chown("it", ONE, THIRD)
        equal((mode_of("it"), owner_of("it")), (left, (ONE, THIRD)), kind)
        os.chmod("it", 0o6555)
        with someone(ONE, OTHER, THIRD):
            os.chown("it", -1, OTHER)
        equal((mode_of("it"), owner_of("it")), (left, (ONE, OTHER)), kind)
        os.chmod("it", 0o6555)
        os.chown("it", 0, 0)
        equal((mode_of("it"), owner_of("it")), (left, (0, 0)), kind)
        remove("it")


@case
def set_gid_without_execution():
    """Of what the group may not execute the set-gid bit is left."""
    make("file", "it", 0o6644)
    os.chown("it", ONE, ONE)
    equal(mode_of("it"), 0o2644)


@case
def big_numbers():
    """Owners are 32 bits."""
    make("file", "it", None, 0xFFFFFFFE, 0x80000000)
    equal(owner_of("it"), (0xFFFFFFFE, 0x80000000))


@case
def open_file():
    """fchown works through a descriptor that only reads, also of a file without a name."""
    fd = os.open("it", os.O_CREAT | os.O_RDONLY, 0o600)
    os.fchown(fd, 1, 2)
    equal(owner_of("it"), (1, 2))
    os.unlink("it")
    os.fchown(fd, 3, 4)
    found = os.fstat(fd)
    equal((found.st_uid, found.st_gid), (3, 4))


@case
def of_what_is_made():
    """What is made is of who made it, and gets the group of the process."""
    os.chmod(".", 0o777)
    for kind in KINDS:
        if kind in ("block", "char"):
            continue
        with someone(ONE, OTHER):
            make(kind, "it")
        equal(owner_of("it"), (ONE, OTHER))
        remove("it")


@case
def of_what_is_made_in_set_gid():
    """In a set-gid folder it gets the group of the folder, and a folder the bit too."""
    os.chown(".", 5, 6)
    os.chmod(".", 0o2777)
    for kind in KINDS:
        if kind in ("block", "char"):
            continue
        with someone(ONE, OTHER):
            make(kind, "it")
        equal(owner_of("it"), (ONE, 6), kind)
        equal(mode_of("it") & 0o2000, 0o2000 if kind == "folder" else 0, kind)
        remove("it")
    with someone(ONE, OTHER):
        os.close(os.open("it", os.O_CREAT, 0o2755))
    equal(mode_of("it"), 0o755)
