"""What a Python with this folder in its PYTHONPATH does before all else, as each Label Studio of
the tests: less of what only costs time.

It looks for garbage seldom. Migrations build Label Studio's models some hundred times, and to look
through them all took a quarter of the time. And sqlite does not wait for the disk, as PostgreSQL
does not in the tests: the data need not outlive a power cut, and to save an annotation took twice
as long.
"""

import gc
from sqlite3 import Connection, dbapi2
from typing import Any

gc.set_threshold(100_000, 50, 100)

connect = dbapi2.connect


def connect_without_waiting(*arguments: Any, **options: Any) -> Connection:
    connection: Connection = connect(*arguments, **options)
    connection.execute("PRAGMA synchronous=OFF")
    return connection


dbapi2.connect = connect_without_waiting  # type: ignore[assignment]
