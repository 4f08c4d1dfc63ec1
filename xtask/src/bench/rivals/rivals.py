"""Rivals of the store: asked through standard input (one line of JSON), answers with one line of JSON."""

import json
import os
import resource
import statistics
import sys
import time

TIMES = 5


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(questions, ask):
    """The median of the milliseconds of each question, and how many rows it finds."""
    millis, found = {}, {}
    for name, query in questions.items():
        took = []
        for _ in range(TIMES):
            begun = time.perf_counter()
            rows = ask(query)
            took.append((time.perf_counter() - begun) * 1e3)
        millis[name], found[name] = statistics.median(took), rows
    return millis, found


def memory():
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB resident at most"


def messages(path):
    """Fields of each message, its payload as it was."""
    with open(path, encoding="utf-8", newline="\n") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            payload = fields[17].replace("\\r", "\r").replace("\\n", "\n")
            yield (
                int(fields[0]), fields[1] or None, int(fields[2]) if fields[2] else None, int(fields[3]),
                *fields[4:14], int(fields[14]), fields[15], int(fields[16]), payload.encode(),
            )


def sqlite(asked):
    import sqlite3

    # What reading costs is not what storing costs.
    begun = cpu()
    rows = sum(1 for _ in messages(asked["messages"]))
    reading = cpu() - begun
    path = asked["database"]
    for rest in ("", "-wal", "-shm"):
        if os.path.exists(path + rest):
            os.remove(path + rest)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA cache_size = -262144")
    database.execute(
        "CREATE TABLE messages (id INTEGER PRIMARY KEY, at INTEGER, method TEXT, status INTEGER, cseq INTEGER,"
        " cseq_method TEXT, call_id TEXT, from_user TEXT, to_user TEXT, host TEXT, from_tag TEXT, to_tag TEXT,"
        " branch TEXT, user_agent TEXT, src_ip TEXT, src_port INTEGER, dst_ip TEXT, dst_port INTEGER, payload BLOB)"
    )
    for column in ("at", "call_id", "from_user", "to_user", "status"):
        database.execute(f"CREATE INDEX by_{column} ON messages ({column})")
    insert = "INSERT INTO messages VALUES (NULL" + ", ?" * 18 + ")"
    begun, wall = cpu(), time.perf_counter()
    batch = []
    for message in messages(asked["messages"]):
        batch.append(message)
        if len(batch) == 5000:
            store(database, insert, batch)
            batch.clear()
    store(database, insert, batch)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    used, wall = cpu() - begun - reading, time.perf_counter() - wall
    octets = os.path.getsize(path)
    newest = "ORDER BY at DESC"
    millis, found = timed(
        {
            "call_id": (f"SELECT * FROM messages WHERE call_id = ? {newest}", (asked["call_id"],)),
            "user": (
                f"SELECT * FROM messages WHERE from_user = ?1 OR to_user = ?1 {newest}",
                (asked["user"],),
            ),
            "status": (f"SELECT * FROM messages WHERE status = ? {newest} LIMIT 200", (asked["status"],)),
            "newest": (f"SELECT * FROM messages {newest} LIMIT 200", ()),
            "text": (
                f"SELECT * FROM messages WHERE instr(payload, ?) {newest}",
                (asked["text"].encode(),),
            ),
        },
        lambda query: len(database.execute(*query).fetchall()),
    )
    stored = database.execute("SELECT count(*) FROM messages").fetchone()[0]
    return {
        "rows": stored,
        "cpu_us": used * 1e6 / rows,
        "octets_per_message": octets / rows,
        "millis": millis,
        "found": found,
        "note": f"payload as it is, {rows / wall:.0f} rows a second, transactions of 5000, synchronous = NORMAL, {memory()}",
    }


def store(database, insert, batch):
    database.execute("BEGIN")
    database.executemany(insert, batch)
    database.execute("COMMIT")


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


def sql(asked, table, contains):
    """The same questions for both readers of segments."""
    newest = "ORDER BY received_at DESC, row_id DESC"
    select = f"SELECT * FROM {table} WHERE record IS NULL AND"
    user = quoted(asked["user"])
    users = f"(from_user = {user} OR to_user = {user} OR ruri_user = {user})"
    return {
        "call_id": f"{select} call_id = {quoted(asked['call_id'])} {newest}",
        "user": f"{select} {users} {newest}",
        "status": f"{select} status = {asked['status']} {newest} LIMIT 200",
        "newest": f"SELECT * FROM {table} WHERE record IS NULL {newest} LIMIT 200",
        "text": f"{select} {contains(asked['text'])} {newest}",
    }


def duckdb(asked):
    import duckdb as reader

    table = f"read_parquet({quoted(asked['segments'])}, hive_partitioning = false)"
    connection = reader.connect()
    # As times, they would want another package.
    times = ", ".join(f"epoch_us({name}) AS {name}" for name in ("received_at", "sent_at", "claimed_at"))
    questions = sql(asked, table, lambda text: f"contains(decode(payload), {quoted(text)})")
    begun = cpu()
    millis, found = timed(questions, lambda query: len(connection.sql(f"SELECT * REPLACE ({times}) FROM ({query})").fetchall()))
    note = f"{reader.__version__}, {(cpu() - begun):.1f} s of CPU for all questions, {memory()}"
    return {"millis": millis, "found": found, "note": note}


def clickhouse(asked):
    import chdb as reader

    table = f"file({quoted(asked['segments'])}, Parquet)"
    questions = sql(asked, table, lambda text: f"position(payload, {quoted(text)}) > 0")

    def ask(query):
        return len(reader.query(query, "JSONCompactEachRow").bytes().splitlines())

    begun = cpu()
    millis, found = timed(questions, ask)
    note = f"chdb {reader.__version__}, {(cpu() - begun):.1f} s of CPU for all questions, {memory()}"
    return {"millis": millis, "found": found, "note": note}


def main():
    asked = json.loads(sys.stdin.readline())
    answer = {"sqlite": sqlite, "duckdb": duckdb, "clickhouse": clickhouse}[sys.argv[1]](asked)
    print(json.dumps(answer))


main()
