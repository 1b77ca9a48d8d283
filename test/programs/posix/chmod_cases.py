"""chmod(2), fchmod(2), fchmodat(2)."""

import os

from case import *


@case
def changes_permissions():
    """The mode is what was asked for, of what a symlink leads to, and not of the symlink."""
    for kind in NOT_SYMLINKS:
        make(kind, "it")
        os.chmod("it", 0o111)
        equal(mode_of("it"), 0o111)
        os.symlink("it", "link")
        os.chmod("link", 0o222)
        equal((mode_of("it"), mode_of("link")), (0o222, 0o777))
        os.unlink("link")
        remove("it")


@case
def all_bits():
    """Each of the twelve bits can be set and cleared of a file and a folder."""
    for kind in ("file", "folder"):
        make(kind, "it")
        for mode in [1 << bit for bit in range(12)] + [0o7777, 0]:
            os.chmod("it", mode)
            equal(mode_of("it"), mode)
        remove("it")


@case
def marks_ctime():
    """ctime is marked for update, and nothing else."""
    for kind in NOT_SYMLINKS:
        make(kind, "it")
        before = marks("it")
        with updates(it="c"), keeps("."):
            os.chmod("it", 0o111)
        equal(marks("it")["m"], before["m"])
        remove("it")


@case
def only_the_owner():
    """It fails with EPERM for others than the owner and root, and then leaves ctime."""
    for kind in NOT_SYMLINKS:
        make(kind, "it", 0o777, ONE)
        with keeps("it"), someone(OTHER):
            fails("EPERM", os.chmod, "it", 0o111)
        with someone(ONE):
            os.chmod("it", 0o642)
        equal(mode_of("it"), 0o642)
        remove("it")
    make("file", "it", 0o777, ONE)
    os.symlink("it", "link")
    with someone(OTHER, ONE):
        fails("EPERM", os.chmod, "link", 0o111)
    equal(mode_of("it"), 0o777)


@case
def open_file():
    """fchmod works through a descriptor that only reads, also of a file without a name."""
    fd = os.open("it", os.O_CREAT | os.O_RDONLY, 0o600)
    os.fchmod(fd, 0o613)
    equal(mode_of("it"), 0o613)
    os.unlink("it")
    os.fchmod(fd, 0o64)
    equal(stat.S_IMODE(os.fstat(fd).st_mode), 0o64)


@case
def set_gid_of_a_stranger():
    """An owner who is not of the file's group does not set its set-gid bit; who is, does."""
    make("file", "it", 0o755, ONE)
    with someone(ONE):
        os.chmod("it", 0o2755)
    equal(mode_of("it"), 0o2755)
    with someone(ONE):
        os.chmod("it", 0o755)
    with someone(ONE, OTHER):
        os.chmod("it", 0o2755)
    equal(mode_of("it"), 0o755)
    with someone(ONE, OTHER, ONE):
        os.chmod("it", 0o2755)
    equal(mode_of("it"), 0o2755)


@case
def sticky_bit():
    """The sticky bit may be on anything, set by root or the owner."""
    for kind in NOT_SYMLINKS:
        make(kind, "it")
        os.chmod("it", 0o1621)
        equal(mode_of("it"), 0o1621)
        os.chmod("it", 0o640)
        os.chown("it", ONE, ONE)
        os.symlink("it", "link")
        with someone(ONE):
            os.chmod("it", 0o1644)
            equal(mode_of("it"), 0o1644)
            os.chmod("link", 0o1640)
        equal(mode_of("it"), 0o1640)
        os.unlink("link")
        remove("it")


@case
def writing_takes_privileges():
    """A write by who is not root clears set-uid, and set-gid of what its group may execute, also for the owner."""
    for mode in (0o4777, 0o2777, 0o6777):
        for uid in (ONE, OTHER):
            write("it")
            os.chown("it", ONE, ONE)
            os.chmod("it", mode)
            with someone(uid):
                fd = os.open("it", os.O_RDWR)
                os.write(fd, b"x")
            equal(stat.S_IMODE(os.fstat(fd).st_mode), 0o777)
            equal(mode_of("it"), 0o777)
            os.close(fd)
            os.unlink("it")


@case
def root_writes_privileged_files():
    """A write by root leaves set-uid and set-gid."""
    write("it")
    os.chmod("it", 0o6777)
    write("it", b"x", flags=0)
    equal(mode_of("it"), 0o6777)


@case
def set_gid_without_execution():
    """Writing, by one of the group, leaves the set-gid bit of what the group may not execute."""
    write("it")
    os.chown("it", ONE, ONE)
    os.chmod("it", 0o6767)
    with someone(OTHER, ONE):
        write("it", b"x", flags=0)
    equal(mode_of("it"), 0o2767)


@case
def truncating_takes_privileges():
    """truncate, ftruncate, O_TRUNC and fallocate by who is not root clear set-uid and set-gid."""

    def trunc():
        os.close(os.open("it", os.O_WRONLY | os.O_TRUNC))

    def ftruncate():
        fd = os.open("it", os.O_RDWR)
        os.ftruncate(fd, 2)
        os.close(fd)

    def allocate():
        fd = os.open("it", os.O_RDWR)
        os.posix_fallocate(fd, 0, 100)
        os.close(fd)

    for change in (trunc, ftruncate, allocate, lambda: os.truncate("it", 1)):
        write("it", b"content")
        os.chmod("it", 0o6777)
        with someone(ONE):
            change()
        equal(mode_of("it"), 0o777)
        os.unlink("it")


@case
def what_is_permitted():
    """Owner, group and others may what the mode says of the first of these that they are."""
    write("it", b"#!/bin/true")
    os.chown("it", ONE, ONE)
    for shift, who in ((6, (ONE, OTHER)), (3, (OTHER, ONE)), (0, (OTHER, OTHER))):
        for rights in range(8):
            for rest in (0, 0o777):
                os.chmod("it", (rest & ~(7 << shift)) | rights << shift)
                with someone(*who):
                    for asked in (os.R_OK, os.W_OK, os.X_OK, os.R_OK | os.W_OK):
                        allowed = rights & asked == asked
                        equal(os.access("it", asked, effective_ids=True), allowed, f"{rights} {asked}")
                    for flags, needed in ((os.O_RDONLY, 4), (os.O_WRONLY, 2), (os.O_RDWR, 6)):
                        if rights & needed == needed:
                            os.close(os.open("it", flags))
                        else:
                            fails("EACCES", os.open, "it", flags)


@case
def supplementary_groups():
    """Rights of the group are those of all groups that a process is in."""
    write("it", b"x")
    os.chown("it", 0, ONE)
    os.chmod("it", 0o640)
    with someone(OTHER, OTHER, THIRD, ONE):
        equal(read("it"), b"x")
    with someone(OTHER, OTHER, THIRD):
        fails("EACCES", os.open, "it", os.O_RDONLY)


@case
def root_may_almost_all():
    """Root reads and writes whatever the mode is, and executes what somebody may execute."""
    write("it", b"x", 0)
    write("it", b"y", flags=0)
    equal(read("it"), b"y")
    assert not os.access("it", os.X_OK)
    os.chmod("it", 1)
    assert os.access("it", os.X_OK)


@case
def opened_before():
    """Permissions are asked for at open: a mode changed later takes nothing from an open descriptor."""
    write("it", b"x")
    os.chown("it", ONE, ONE)
    with someone(ONE):
        fd = os.open("it", os.O_RDWR)
        os.chmod("it", 0)
        os.write(fd, b"yz")
        equal(os.pread(fd, 9, 0), b"yz")
        fails("EACCES", os.open, "it", os.O_RDONLY)
