"""``python -m send_email`` runs the agent's service, and its mailer."""

from send_email.agent import make_agent, make_store
from send_email.settings import MailSettings
from signalbox.agent import serve


def main() -> None:
    settings = MailSettings()
    store = make_store(settings)
    try:
        serve(make_agent(settings, store))
    finally:
        store.close()


if __name__ == "__main__":
    main()
