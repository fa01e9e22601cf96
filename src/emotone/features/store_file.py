"""A SQLite file of rows that can be computed again: whatever its state, it costs time, never an error or a wrong row.

Each row has a checksum.  A damaged file is renamed and begun anew.  A file that can't be used, such as one that another
program has locked, is left alone, and the caller works without it.  In both cases a note says so.
"""

import contextlib
import hashlib
import itertools
import os
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from emotone.errors import StoreWarning

#: Name of a table, and the values of a row without its checksum.
TableRow = tuple[str, tuple[Any, ...]]

_WAIT_S = 10.0  # for another process that is writing
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_OTHER_FOLDER = "choose another folder with --cache"
_NOT_KEPT = "what is computed now is not kept"


class DamagedRowError(Exception):
    """A row is not what was written."""


class _ForeignError(Exception):
    """The file is a database of another program."""


class StoreFile:
    """Rows in tables on disk.

    Parameters
    ----------
    path
        The file; it and its folder are made if they are missing.
    schema
        SQL that creates the tables if they don't exist.  The last column of each is ``checksum BLOB``.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._schema = schema
        self._database: sqlite3.Connection | None = None
        self._inode = 0
        self._is_usable = True  # False after a note that the file can't be used: it is not tried again
        self._is_kept = True  # False after a note that rows can't be written

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the file open; without it, `fetch` finds nothing and `write` keeps nothing."""
        try:
            self._open()
            yield
        finally:
            self._close()

    def fetch(self, table: str, key: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Return the values of the row with these values in its columns; None if it is missing.

        Raises
        ------
        DamagedRowError
            The row does not fit its checksum.
        """
        if self._database is None:
            return None
        where = " AND ".join(f"{column}=?" for column in key)
        try:
            row = self._database.execute(f"SELECT * FROM {table} WHERE {where}", tuple(key.values())).fetchone()
        except sqlite3.Error as error:
            self._recover(error)
            return None
        if row is None:
            return None
        if row[-1] != _checksum(table, row[:-1]):
            raise DamagedRowError
        return tuple(row[:-1])

    def write(self, rows: Sequence[TableRow]) -> None:
        """Insert or replace rows in one transaction, which is short, so that other processes can write in between."""
        for is_last in (False, True):
            if self._database is None or not self._is_kept or not rows:
                return
            try:
                self._insert(self._database, rows)
                return
            except sqlite3.Error as error:
                self._recover(error, writing=is_last or not _is_damage(error))

    def _insert(self, database: sqlite3.Connection, rows: Sequence[TableRow]) -> None:
        try:
            database.execute("BEGIN IMMEDIATE")
            for table, values in rows:
                marks = ", ".join("?" * (len(values) + 1))
                database.execute(
                    f"INSERT OR REPLACE INTO {table} VALUES ({marks})", (*values, _checksum(table, values))
                )
            database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise

    def _open(self) -> None:
        if not self._is_usable:
            return
        try:
            self._connect()
        except (OSError, sqlite3.Error) as error:
            self._recover(error)
        except _ForeignError:
            self._give_up("it is a database of another program or of a newer version", f"{_OTHER_FOLDER}, or move it")

    def _connect(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        database = self._database = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None)
        database.text_factory = _text
        self._inode = os.stat(self.path).st_ino
        self._check_tables(database)  # before anything changes a file that is not a store
        database.execute("PRAGMA journal_mode=WAL")  # readers don't wait for a writer
        database.execute("PRAGMA synchronous=NORMAL")

    def _connect_read_only(self) -> bool:
        """Open a file that can't be written, so that at least its rows are found."""
        address = self.path.absolute().as_uri()
        for options in ("mode=ro", "mode=ro&immutable=1"):  # the second in a folder that can't be written
            self._close()
            with contextlib.suppress(sqlite3.Error, _ForeignError):
                database = self._database = sqlite3.connect(f"{address}?{options}", uri=True, timeout=_WAIT_S)
                database.text_factory = _text
                if _tables(database).items() >= self._expected().items():
                    return True
        self._close()
        return False

    def _check_tables(self, database: sqlite3.Connection) -> None:
        """Create the tables; replace those of versions without checksums, whose rows can't be trusted."""
        expected, present = self._expected(), _tables(database)
        if present.items() >= expected.items():
            return
        old = [table for table in present if table in expected]
        if (present and not old) or any(present[table][1] != expected[table][1][:-1] for table in old):
            raise _ForeignError
        dropped = "".join(f"DROP TABLE {table};" for table in old)
        database.executescript(f"BEGIN IMMEDIATE; {dropped} {self._schema} COMMIT;")

    def _expected(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        with closing(sqlite3.connect(":memory:")) as database:
            database.executescript(self._schema)
            return _tables(database)

    def _recover(self, error: OSError | sqlite3.Error, *, writing: bool = False) -> None:
        """Begin a damaged file anew; go on without one that can't be used, or only read one that can't be written."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if _is_damage(error) and not writing:
            self._begin_anew(str(error))
        elif code in _LOCKED:
            reason = f"another program has locked it, and {_WAIT_S:.0f} s later it still was"
            self._give_up(reason, f"end that program, or {_OTHER_FOLDER}")
        elif writing:
            self._is_kept = False
            self._note(
                f"{self.path} can't be written ({error}): {_NOT_KEPT}; make room on its disk, or {_OTHER_FOLDER}"
            )
        elif os.path.isfile(self.path) and self._connect_read_only():
            self._is_kept = False
            self._note(f"{self.path} can't be written ({error}): {_NOT_KEPT}; make it writable, or {_OTHER_FOLDER}")
        else:
            self._give_up(str(error), f"make {self.path} a file that can be read and written, or {_OTHER_FOLDER}")

    def _begin_anew(self, reason: str) -> None:
        """Rename a damaged file, unless another process just did so, and open a new one."""
        self._close()
        try:
            if os.stat(self.path).st_ino == self._inode:
                moved = self._move_aside()
                self._note(
                    f"{self.path} is damaged ({reason}): it is now called {moved.name}, which you can delete, and what "
                    "it held is computed again"
                )
            self._connect()
        except (OSError, sqlite3.Error, _ForeignError) as error:
            self._give_up(str(error), f"delete it, or {_OTHER_FOLDER}")

    def _move_aside(self) -> Path:
        moved = next(
            path
            for number in itertools.count(1)
            if not (path := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists()
        )
        for suffix in ("-wal", "-shm", ""):  # SQLite would play what is in the first into the new file
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self.path}{suffix}", f"{moved}{suffix}")
        return moved

    def _give_up(self, reason: str, remedy: str) -> None:
        self._close()
        self._is_usable = False
        self._note(f"{self.path} can't be used ({reason}): {_NOT_KEPT}; {remedy}")

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                database.close()

    def _note(self, text: str) -> None:
        warnings.warn(text, StoreWarning, stacklevel=2)


def _is_damage(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _text(content: bytes) -> str:
    """Decode a text, also a damaged one, which then does not fit its checksum."""
    return content.decode("utf-8", "replace")


def _tables(database: sqlite3.Connection) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return table -> the SQL that creates it, and its columns."""
    query = "SELECT name, sql FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
    columns = "SELECT name FROM pragma_table_info(?)"
    return {
        table: (sql, tuple(name for (name,) in database.execute(columns, (table,))))
        for table, sql in database.execute(query).fetchall()
    }


def _checksum(table: str, values: Sequence[Any]) -> bytes:
    """Return 16 bytes that depend on the table and on type and content of each value."""
    digest = hashlib.blake2b(digest_size=16)
    for value in (table, *values):
        content = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(f"{type(value).__name__}:{len(content)}:".encode())
        digest.update(content)
    return digest.digest()
