"""The tables of scenarios and members. `migrations` makes them; a test holds that both say the same.

Ids compare byte for byte: MariaDB's usual collations take `a`, `A` and `a ` for one member.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Date, DateTime, ForeignKey, Integer, String
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from clickstream_scenarios.member import MAX_ID_LENGTH

MAX_NAME_LENGTH = 200
MAX_GENDER_LENGTH = 32

_OPTIONS = {
    f"{dialect}_{name}": value
    for dialect in ("mysql", "mariadb")
    for name, value in {"engine": "InnoDB", "charset": "utf8mb4", "collate": "utf8mb4_nopad_bin"}.items()
}
# SQLite counts up only an INTEGER; MariaDB's DATETIME has no fractions unless they are asked for.
_Id = BigInteger().with_variant(Integer, "sqlite")
_Moment = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


class Base(DeclarativeBase):
    """What all tables have in common."""


class ScenarioRow(Base):
    """A scenario as it holds now. `definition` is its JSON as in reference 004; moments are UTC."""

    __tablename__ = "scenario"
    __table_args__ = _OPTIONS

    scenario_id: Mapped[int] = mapped_column(_Id, primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    active: Mapped[bool]
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)
    changed_at: Mapped[datetime] = mapped_column(_Moment)
    changed_by: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))


class VersionRow(Base):
    """Each version that a scenario has had, the one that holds included."""

    __tablename__ = "scenario_version"
    __table_args__ = _OPTIONS

    scenario_id: Mapped[int] = mapped_column(_Id, ForeignKey("scenario.scenario_id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    active: Mapped[bool]
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)
    changed_at: Mapped[datetime] = mapped_column(_Moment)
    changed_by: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))


class ChangeRow(Base):
    """Who did what when. `scenario_id` and `version` are empty for an import of members."""

    __tablename__ = "change"
    __table_args__ = _OPTIONS

    change_id: Mapped[int] = mapped_column(_Id, primary_key=True)
    action: Mapped[str] = mapped_column(String(20), index=True)
    scenario_id: Mapped[int | None] = mapped_column(_Id, index=True)
    version: Mapped[int | None] = mapped_column(Integer)
    changed_at: Mapped[datetime] = mapped_column(_Moment)
    changed_by: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    detail: Mapped[str] = mapped_column(String(500))


class MemberRow(Base):
    """A member; `attributes` are names with texts."""

    __tablename__ = "member"
    __table_args__ = _OPTIONS

    member_id: Mapped[str] = mapped_column(String(MAX_ID_LENGTH), primary_key=True)
    gender: Mapped[str | None] = mapped_column(String(MAX_GENDER_LENGTH))
    birth_date: Mapped[date | None] = mapped_column(Date)
    attributes: Mapped[dict[str, str]] = mapped_column(JSON)
