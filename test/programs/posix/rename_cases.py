"""rename(2), renameat2(2)."""

import os

from case import *

NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4


def rename(source, target, flags):
    at_cwd = -100
    syscall("renameat2", at_cwd, os.fsencode(source), at_cwd, os.fsencode(target), flags)


def shown(path):
    found = os.lstat(path)
    return kind_of(path), found.st_ino, mode_of(path), found.st_uid


@case
def renames():
    """A file keeps its inode, mode, owner and links under its new name; other links stay."""
    for kind in KINDS:
        make(kind, "one")
        before = shown("one")
        os.rename("one", "two")
        absent("one")
        equal(shown("two"), before)
        if kind in LINKABLE:
            os.link("two", "one")
            os.rename("two", "three")
            absent("two")
            equal((shown("one"), shown("three"), links_of("one")), (before, before, 2))
            os.unlink("one")
            os.rename("three", "two")
        remove("two")


@case
def symlinks_move():
    """A symlink is moved itself, and what it leads to stays."""
    write("file")
    os.symlink("file", "link")
    os.rename("link", "moved")
    equal((kind_of("moved"), kind_of("file"), os.readlink("moved")), ("symlink", "file", "file"))
    write("new", b"new")
    os.rename("new", "moved")
    equal((read("file"), kind_of("moved")), (b"", "file"))


@case
def replaces():
    """What is no folder replaces what is no folder, and is then all that there is."""
    for kind in NOT_FOLDERS:
        for other in NOT_FOLDERS:
            make(kind, "one")
            make(other, "two")
            before = shown("one")
            os.rename("one", "two")
            absent("one")
            equal(shown("two"), before)
            os.unlink("two")
    write("one", b"one")
    write("two", b"two")
    os.rename("one", "two")
    equal((read("two"), os.listdir(".")), (b"one", ["two"]))


@case
def folder_over_folder():
    """A folder replaces an empty folder, not a full one: ENOTEMPTY."""
    os.makedirs("one/inner")
    os.mkdir("two")
    inode = inode_of("one")
    os.rename("one", "two")
    equal((inode_of("two"), os.listdir("two"), links_of("."), links_of("two")), (inode, ["inner"], 3, 3))
    os.mkdir("one")
    for kind in KINDS:
        os.mkdir("full")
        make(kind, "full/it")
        with keeps(".", "one", "full"):
            fails(("ENOTEMPTY", "EEXIST"), os.rename, "one", "full")
        remove("full/it")
        os.rmdir("full")


@case
def folder_and_file():
    """A folder replaces no file: ENOTDIR; a file no folder, empty or not: EISDIR."""
    os.mkdir("folder")
    for kind in NOT_FOLDERS:
        make(kind, "it")
        fails("ENOTDIR", os.rename, "folder", "it")
        equal((kind_of("folder"), kind_of("it")), ("folder", kind))
        fails("EISDIR", os.rename, "it", "folder")
        equal((kind_of("folder"), kind_of("it")), ("folder", kind))
        remove("it")


@case
def into_itself():
    """A folder moves into nothing that is in it: EINVAL; '.' and '..' do not move: EBUSY or EINVAL."""
    os.makedirs("one/two/three")
    for target in ("one/new", "one/two/new", "one/two/three/new", "one/two/three"):
        fails("EINVAL", os.rename, "one", target)
    fails(("ENOTEMPTY", "EEXIST"), os.rename, "one/two", "one")
    for path in ("one/.", "one/.."):
        fails(("EBUSY", "EINVAL"), os.rename, path, "new")
        fails(("EBUSY", "EINVAL", "ENOTEMPTY", "EEXIST"), os.rename, "one/two", path)
    os.rename("one", "one")
    equal(os.listdir("one/two"), ["three"])


@case
def same_file():
    """Between two names of one file nothing happens."""
    write("one", b"x")
    os.link("one", "two")
    with keeps(".", "one"):
        os.rename("one", "two")
        os.rename("one", "one")
    equal((sorted(os.listdir(".")), links_of("one")), (["one", "two"], 2))


@case
def marks_of_folders():
    """mtime and ctime of both folders are marked; of a folder that stays in its own that one's."""
    os.mkdir("one")
    os.mkdir("two")
    for kind in KINDS:
        make(kind, "one/it")
        modified = marks("one/it")["m"]
        with updates(one="mc", two="mc"):
            os.rename("one/it", "two/it")
        equal(marks("two/it")["m"], modified)
        with updates(two="mc"), keeps("one"):
            os.rename("two/it", "two/new")
        remove("two/new")


@case
def marks_of_what_moves():
    """ctime of what is no folder and was moved is marked, as by local file systems; POSIX leaves it open."""
    for kind in NOT_FOLDERS:
        make(kind, "one")
        before = marks("one")
        tick()
        os.rename("one", "two")
        assert marks("two")["c"] > before["c"], kind
        equal(marks("two")["m"], before["m"])
        remove("two")


@case
def failure_marks_nothing():
    """A rename that is refused leaves all times."""
    for kind in KINDS:
        make(kind, "it")
        with keeps("it", "."), someone(ONE):
            fails("EACCES", os.rename, "it", "new")
        remove("it")


@case
def replaced_links():
    """What was replaced and has other names has one link less and a new ctime."""
    for kind in LINKABLE:
        make(kind, "one")
        make(kind, "two")
        os.link("two", "other")
        with updates(other="c"):
            os.rename("one", "two")
        equal((links_of("other"), kind_of("other")), (1, kind))
        os.unlink("two")
        os.unlink("other")


@case
def parents_count_links():
    """A folder that moves takes its link, '..', from one parent to the other."""
    os.makedirs("from/it/inner")
    os.mkdir("to")
    equal((links_of("from"), links_of("to"), inode_of("from/it/..")), (3, 2, inode_of("from")))
    os.rename("from/it", "to/new")
    equal((links_of("from"), links_of("to"), inode_of("to/new/.."), links_of("to/new")), (2, 3, inode_of("to"), 3))
    os.mkdir("from/it")
    os.rmdir("to/new/inner")
    os.rename("from/it", "to/new")
    equal((links_of("from"), links_of("to"), inode_of("to/new/..")), (2, 3, inode_of("to")))


@case
def sticky_source():
    """Out of a sticky folder move the folder's owner, the file's and root; a folder of somebody else's stays: EACCES."""
    os.mkdir("from")
    os.mkdir("to")
    os.chown("to", ONE, ONE)
    os.chmod("from", 0o1777)
    for kind in KINDS:
        for folder_owner in (ONE, 0, OTHER):
            for owner in (ONE, 0, OTHER):
                os.chown("from", folder_owner, folder_owner)
                make(kind, "from/it", None, owner)
                before = shown("from/it")
                allowed = owner == ONE or (folder_owner == ONE and kind != "folder")
                with someone(ONE):
                    if not allowed:
                        fails(DENIED, os.rename, "from/it", "to/it")
                    else:
                        os.rename("from/it", "to/it")
                        equal(shown("to/it"), before)
                        os.rename("to/it", "from/it")
                    if folder_owner == ONE:
                        os.rename("from/it", "from/new")
                        os.rename("from/new", "from/it")
                equal(shown("from/it"), before)
                remove("from/it")


@case
def sticky_target():
    """In a sticky folder its owner, a file's owner and root replace, others not: EPERM."""
    os.mkdir("from")
    os.mkdir("to")
    os.chown("from", ONE, ONE)
    os.chmod("to", 0o1777)
    for kind, other in [(one, two) for one in NOT_FOLDERS for two in NOT_FOLDERS] + [("folder", "folder")]:
        for folder_owner in (ONE, 0, OTHER):
            for owner in (ONE, 0, OTHER):
                os.chown("to", folder_owner, folder_owner)
                make(kind, "from/it", None, ONE)
                make(other, "to/it", None, owner)
                before, there = shown("from/it"), shown("to/it")
                with someone(ONE):
                    if ONE in (folder_owner, owner):
                        os.rename("from/it", "to/it")
                        equal(shown("to/it"), before)
                        os.rename("to/it", "from/it")
                    else:
                        fails(DENIED, os.rename, "from/it", "to/it")
                        equal(shown("to/it"), there)
                        with someone_root():
                            remove("to/it")
                remove("from/it")


@contextlib.contextmanager
def someone_root():
    before = os.geteuid()
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(before)


@case
def permissions():
    """Both folders must be writable, and a folder that gets another parent itself."""
    for name in ("from", "to"):
        os.mkdir(name)
        os.chown(name, ONE, ONE)
    make("folder", "from/folder", 0o700)
    with someone(ONE):
        make("file", "from/file")
        os.rename("from/folder", "from/renamed")
        fails("EACCES", os.rename, "from/renamed", "to/folder")
        for closed in ("from", "to"):
            os.chmod(closed, 0o555)
            fails("EACCES", os.rename, "from/file", "to/file")
            os.chmod(closed, 0o755)
        os.rename("from/file", "to/file")
    os.rename("from/renamed", "to/folder")


@case
def no_replace():
    """RENAME_NOREPLACE fails with EEXIST for what is there, and renames else."""
    for kind in KINDS:
        for other in KINDS:
            make(kind, "one")
            make(other, "two")
            fails("EEXIST", rename, "one", "two", NOREPLACE)
            remove("two")
            rename("one", "two", NOREPLACE)
            equal((kind_of("two"), os.listdir(".")), (kind, ["two"]))
            remove("two")


@case
def exchange():
    """RENAME_EXCHANGE swaps two names, whatever has them, with the links of folders and all marks."""
    os.mkdir("from")
    os.mkdir("to")
    for kind in KINDS:
        for other in KINDS:
            make(kind, "from/it")
            make(other, "to/it")
            one, two = shown("from/it"), shown("to/it")
            rename("from/it", "to/it", EXCHANGE)
            equal((shown("to/it"), shown("from/it")), (one, two))
            equal(links_of("from") + links_of("to"), 4 + (kind, other).count("folder"))
            equal(links_of("to"), 2 + (kind == "folder"))
            remove("from/it")
            remove("to/it")
    write("from/it")
    write("to/it")
    with updates(**{"from": "mc", "to": "mc", "from/it": "", "to/it": ""}):
        rename("from/it", "to/it", EXCHANGE)
    write("file")
    fails("ENOENT", rename, "file", "absent", EXCHANGE)
    os.makedirs("outer/inner")
    fails("EINVAL", rename, "outer", "outer/inner", EXCHANGE)
    fails("EINVAL", rename, "outer/inner", "outer", EXCHANGE)
    fails("EINVAL", rename, "file", "from", EXCHANGE | NOREPLACE)


@case
def with_slashes():
    """A slash at the end stands for a folder: other things with one fail with ENOTDIR."""
    os.mkdir("folder")
    write("file")
    os.rename("folder/", "moved/")
    equal(kind_of("moved"), "folder")
    fails("ENOTDIR", os.rename, "file/", "new")
    fails("ENOTDIR", os.rename, "file", "new/")


@case
def open_things_move():
    """Open files and folders, and the working directory, move along."""
    os.makedirs("one/inner")
    fd = os.open("one/file", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"before")
    start = os.getcwd()
    os.chdir("one/inner")
    os.rename("../../one", "../../two")
    equal(os.getcwd(), f"{start}/two/inner")
    os.write(fd, b" after")
    equal((read("../file"), read(f"{start}/two/file")), (b"before after",) * 2)
    os.rename("../file", f"{start}/file")
    os.write(fd, b"!")
    equal(read(f"{start}/file"), b"before after!")
    equal(os.readlink(f"/proc/self/fd/{fd}"), f"{start}/file")


@case
def replacing_is_atomic():
    """Who opens a name that is replaced over and over finds the one or the other, always whole."""
    write("it", b"0" * 5000)
    child = os.fork()
    if child == 0:
        for turn in range(100):
            write("new", b"%d" % (turn % 10) * 5000)
            os.rename("new", "it")
        os._exit(0)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        content = read("it")
        equal((len(content), len(set(content))), (5000, 1))
