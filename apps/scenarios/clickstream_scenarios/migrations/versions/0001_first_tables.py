"""The first tables. A migration that was cut off is repeated: MariaDB can't take back a CREATE TABLE."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

_OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}
_OPTIONS |= {name.replace("mysql", "mariadb"): value for name, value in _OPTIONS.items()}


def upgrade() -> None:
    """Make the tables."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    op.create_table(
        "scenario",
        sa.Column("scenario_id", number, primary_key=True),
        *_version_columns(moment),
        if_not_exists=True,
        **_OPTIONS,
    )
    op.create_table(
        "scenario_version",
        sa.Column("scenario_id", number, sa.ForeignKey("scenario.scenario_id"), primary_key=True),
        *_version_columns(moment, primary_key=True),
        if_not_exists=True,
        **_OPTIONS,
    )
    op.create_table(
        "change",
        sa.Column("change_id", number, primary_key=True),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("scenario_id", number),
        sa.Column("version", sa.Integer),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("changed_by", sa.String(200), nullable=False),
        sa.Column("detail", sa.String(500), nullable=False),
        if_not_exists=True,
        **_OPTIONS,
    )
    op.create_index("ix_change_action", "change", ["action"], if_not_exists=True)
    op.create_index("ix_change_scenario_id", "change", ["scenario_id"], if_not_exists=True)
    op.create_table(
        "member",
        sa.Column("member_id", sa.String(191), primary_key=True),
        sa.Column("gender", sa.String(32)),
        sa.Column("birth_date", sa.Date),
        sa.Column("attributes", sa.JSON, nullable=False),
        if_not_exists=True,
        **_OPTIONS,
    )


def _version_columns(moment: sa.types.TypeEngine[datetime], *, primary_key: bool = False) -> list[sa.Column[Any]]:
    return [
        sa.Column("version", sa.Integer, primary_key=primary_key, autoincrement=False, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("definition", sa.JSON, nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("changed_by", sa.String(200), nullable=False),
    ]
