"""The database and the broker of a single machine, with the real servers."""

import os
import shutil
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from deploy.local import services
from deploy.local.service import Service
from deploy.local.services import Postgres, Valkey


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    with Postgres(tmp_path / "postgres", durable=False) as server:
        yield server


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "valkey") as server:
        yield server


def _alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_the_role_owns_the_database_and_is_no_superuser(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE reads (id int)")
        row = connection.execute(
            "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (False, True)


def test_the_runtime_role_owns_nothing(postgres: Postgres) -> None:
    with psycopg.connect(postgres.runtime_url) as connection:
        row = connection.execute(
            "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
        assert row == ("chestline_app", False, False, False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE reads (id int)")


def test_a_cluster_with_a_single_role_gets_the_second(tmp_path: Path) -> None:
    with Postgres(tmp_path / "postgres", durable=False) as postgres:
        psycopg.connect(postgres.url).execute("CREATE TABLE reads (id int)").connection.commit()
    (postgres.cluster / "pg_hba.conf").write_text("local all chestline scram-sha-256\n")
    (postgres.data_dir / "app_password").unlink()
    postgres._run_commands(postgres.cluster, "DROP ROLE chestline_app")
    for _ in range(2):
        with postgres:
            psycopg.connect(postgres.runtime_url).close()
            with psycopg.connect(postgres.url) as connection:
                assert connection.execute("SELECT count(*) FROM reads").fetchone() == (0,)


def test_trigrams_cover_every_script(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE EXTENSION pg_trgm")
        row = connection.execute("SELECT cardinality(show_trgm('राम'))").fetchone()
    assert row is not None
    assert row[0] > 0


def test_postgres_refuses_a_wrong_password_and_the_superuser(postgres: Postgres) -> None:
    password = (postgres.data_dir / "password").read_text()
    for wrong in (
        postgres.url.replace(password, "wrong"),
        postgres.url.replace("chestline:", "postgres:"),
    ):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(wrong)


def test_postgres_is_not_on_the_network(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()
    assert row == ("",)


def test_committed_rows_survive_a_kill(tmp_path: Path) -> None:
    with Postgres(tmp_path / "postgres") as postgres:
        with psycopg.connect(postgres.url) as connection:
            connection.execute("CREATE TABLE reads AS SELECT 7 AS id")
        url = postgres.url
        postgres.kill()
        postgres.start()
        assert postgres.url == url
        with psycopg.connect(postgres.url) as connection:
            assert connection.execute("SELECT id FROM reads").fetchall() == [(7,)]


def test_a_pid_file_that_names_a_foreign_process_does_not_prevent_the_start(
    tmp_path: Path,
) -> None:
    postgres = Postgres(tmp_path / "postgres", durable=False)
    postgres.start()
    stale = (postgres.cluster / "postmaster.pid").read_text()
    postgres.kill()
    # After a power cut the recorded id may belong to anything; here to this process's parent.
    (postgres.cluster / "postmaster.pid").write_text(
        stale.replace(stale.splitlines()[0], str(os.getppid()), 1)
    )
    with postgres:
        psycopg.connect(postgres.url).close()


def test_an_interrupted_first_start_is_restarted_from_scratch(tmp_path: Path) -> None:
    half_made = tmp_path / "postgres" / "cluster.unfinished"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    with Postgres(tmp_path / "postgres", durable=False) as postgres:
        psycopg.connect(postgres.url).close()


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    with Postgres(tmp_path / ("x" * 100) / "postgres", durable=False) as postgres:
        psycopg.connect(postgres.url).close()


def test_root_can_run_it_from_a_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has to run PostgreSQL as somebody else")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = services.postgres_programs().parents[1]
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, closed / folder.name, symlinks=True)
    programs = closed / package.name / "pginstall" / "bin"
    monkeypatch.setattr(services, "postgres_programs", lambda: programs)
    with Postgres(closed / "postgres", durable=False) as postgres:
        psycopg.connect(postgres.url).close()
        assert psutil.Process(postgres.pid).uids().real != 0
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_logged_errors_contain_no_values(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE patients (name text PRIMARY KEY)")
        for _ in range(2):
            try:
                connection.execute("INSERT INTO patients VALUES ('Doe^Jane')")
            except psycopg.errors.UniqueViolation:
                continue
    log = postgres.log_file.read_text()
    assert "duplicate key" in log
    assert "Doe" not in log


@pytest.mark.parametrize("kind", [Postgres, Valkey])
def test_a_server_left_behind_is_replaced(tmp_path: Path, kind: type[Service]) -> None:
    left_behind = kind(tmp_path / "data")
    left_behind.start()
    with kind(tmp_path / "data") as successor:
        assert successor.pid != left_behind.pid
        assert not _alive(left_behind.pid)
    left_behind.stop()


@pytest.mark.parametrize("kind", [Postgres, Valkey])
def test_a_server_that_exited_is_restarted(tmp_path: Path, kind: type[Service]) -> None:
    with kind(tmp_path / "data") as server:
        assert not server.keep_running()
        url, pid = server.url, server.pid
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert server.keep_running()
        assert server.pid != pid
        assert server.url == url


def test_valkey_requires_the_password(valkey: Valkey) -> None:
    password = (valkey.data_dir / "password").read_text()
    with (
        redis.Redis.from_url(valkey.url.replace(f":{password}@", "")) as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.ping()


def test_valkey_keeps_messages_after_a_kill_and_never_evicts(valkey: Valkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.rpush("inference", "hint")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    valkey.kill()
    valkey.start()
    with redis.Redis.from_url(valkey.url) as client:
        assert client.lrange("inference", 0, -1) == [b"hint"]


def test_valkey_changes_its_port_if_it_is_taken(valkey: Valkey) -> None:
    port = int(valkey.port_file.read_text())
    valkey.stop()
    with socket.create_server(("127.0.0.1", port)):
        valkey.start()
        with redis.Redis.from_url(valkey.url) as client:
            assert client.ping()
    assert int(valkey.port_file.read_text()) != port


def test_passwords_are_readable_only_by_their_owner(postgres: Postgres, valkey: Valkey) -> None:
    for file in (
        postgres.data_dir / "password",
        valkey.data_dir / "password",
        valkey.config_file,
    ):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(postgres.data_dir.stat().st_mode) == 0o700
