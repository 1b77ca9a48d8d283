"""A program that writes transactions to an SQLite database, and says each once it is committed: `programs-sqlite.py DATABASE
JOURNAL FIRST`. It goes on until it is killed. With `programs-sqlite.py DATABASE check` it says whether the database is whole,
and then which transactions are in it."""

import sqlite3
import sys

BLOB = 3000

database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
if sys.argv[2] == "check":
    print(database.execute("pragma integrity_check").fetchone()[0])
    # A transaction is two rows, or it is torn.
    rows = database.execute("select n from part group by n having count(*) = 2 and min(length(bytes)) = ?", [BLOB])
    for (number,) in rows:
        print(number)
    (torn,) = database.execute("select count(*) from (select n from part group by n having count(*) <> 2)").fetchone()
    assert torn == 0, f"{torn} torn transactions"
else:
    database.execute(f"pragma journal_mode = {sys.argv[2]}")
    # What makes a commit outlive a power cut: of a rollback journal, its removal has to be durable too.
    database.execute("pragma synchronous = extra")
    database.execute("create table if not exists part (n integer, half integer, bytes blob)")
    database.execute("create index if not exists by_n on part (n)")
    number = int(sys.argv[3])
    while True:
        number += 1
        database.execute("begin immediate")
        for half in range(2):
            database.execute("insert into part values (?, ?, randomblob(?))", [number, half, BLOB])
        database.execute("commit")
        print(number, flush=True)
