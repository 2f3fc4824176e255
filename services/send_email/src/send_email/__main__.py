"""``python -m send_email`` runs the agent's service, and its mailer."""

from send_email.agent import make_agent, make_store
from send_email.settings import MailSettings
from signalbox.process.running import begin
from signalbox_agent import serve


def main() -> None:
    begin("send_email")  # the store is made before the service
    settings = MailSettings()
    store = make_store(settings)
    try:
        serve(make_agent(settings, store))
    finally:
        store.close()


if __name__ == "__main__":
    main()
