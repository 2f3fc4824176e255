"""``python -m send_email`` runs the agent's service, and its mailer."""

from send_email.agent import PORT, make_agent, make_app, make_store
from send_email.settings import MailSettings
from signalbox.telemetry import Server, configure_logging


def main() -> None:
    configure_logging("send_email")
    settings = MailSettings()
    store = make_store(settings)
    try:
        Server(make_app(settings, store, make_agent(settings, store)), "send_email", PORT).run()
    finally:
        store.close()


if __name__ == "__main__":
    main()
