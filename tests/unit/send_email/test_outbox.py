from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from send_email.composing import Sender
from send_email.handover import Deferred, Delivered, Refused
from send_email.mails import Mail
from send_email.outbox import Outbox


def outbox(folder: Path, sender: Sender) -> Outbox:
    return Outbox(folder, sender, lambda: datetime(2030, 5, 6, tzinfo=UTC))


async def test_a_mail_becomes_a_file_that_parses_back(
    tmp_path: Path, a_mail: Callable[..., Mail], sender: Sender
) -> None:
    mail = a_mail("m-9", recipient_name="佐藤 花子", subject="在庫の連携", body="佐藤様\n\nこんにちは。\n")
    assert await outbox(tmp_path / "out", sender).deliver(mail) == Delivered()
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "m-9.eml"
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert isinstance(message, EmailMessage)
    assert message["To"].addresses[0].addr_spec == "ada@fjord.example"
    assert message["To"].addresses[0].display_name == "佐藤 花子"
    assert message["Subject"] == "在庫の連携"
    assert message.get_content().replace("\r\n", "\n") == "佐藤様\n\nこんにちは。\n"


async def test_handing_the_same_mail_over_twice_leaves_one_file(
    tmp_path: Path, a_mail: Callable[..., Mail], sender: Sender
) -> None:
    box = outbox(tmp_path, sender)
    await box.deliver(a_mail())
    await box.deliver(a_mail())
    assert [file.name for file in tmp_path.iterdir()] == ["m-1.eml"]


async def test_a_folder_that_cannot_be_written_defers_the_mail(
    tmp_path: Path, a_mail: Callable[..., Mail], sender: Sender
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert isinstance(await outbox(tmp_path / "file", sender).deliver(a_mail()), Deferred)


async def test_a_mail_to_no_address_is_refused(
    tmp_path: Path, a_mail: Callable[..., Mail], sender: Sender
) -> None:
    assert isinstance(await outbox(tmp_path, sender).deliver(a_mail(recipient="a, b")), Refused)
    assert not list(tmp_path.iterdir())
