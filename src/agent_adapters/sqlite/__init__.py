"""The store in one SQLite file: a repository per port, over one `Database`."""

from agent_adapters.sqlite.answers import SqliteAnswers
from agent_adapters.sqlite.backup import back_up
from agent_adapters.sqlite.client_repo import SqliteClientRepo
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.errors import DatabaseError
from agent_adapters.sqlite.feed import SqliteFeed
from agent_adapters.sqlite.hold_repo import SqliteHoldRepo
from agent_adapters.sqlite.job_repo import SqliteJobRepo
from agent_adapters.sqlite.ledger import SqliteLedger
from agent_adapters.sqlite.message_log import SqliteMessageLog
from agent_adapters.sqlite.outbox import SqliteOutbox

__all__ = [
    "Database",
    "DatabaseError",
    "SqliteAnswers",
    "SqliteClientRepo",
    "SqliteFeed",
    "SqliteHoldRepo",
    "SqliteJobRepo",
    "SqliteLedger",
    "SqliteMessageLog",
    "SqliteOutbox",
    "back_up",
]
