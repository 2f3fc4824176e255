from pathlib import Path

from compose_stack.chosen_images import ChosenImages


def test_what_runs_and_what_ran_before_is_known_to_a_later_command(tmp_path: Path) -> None:
    ChosenImages(tmp_path / "images.json").choose("console", "console:2", "console:1")
    later = ChosenImages(tmp_path / "images.json")
    assert later.now() == {"console": "console:2"}
    assert later.before("console") == "console:1"
    assert later.before("send_email") == ""


def test_each_service_is_chosen_alone_and_all_are_forgotten(tmp_path: Path) -> None:
    chosen = ChosenImages(tmp_path / "images.json")
    chosen.choose("console", "console:2", "console:1")
    chosen.choose("send_email", "send-email:2", "")
    assert chosen.now() == {"console": "console:2", "send_email": "send-email:2"}
    chosen.forget()
    assert chosen.now() == {}
