"""What the model is asked for: the mails' texts. Whom they go to is not the model's to say."""

from pydantic import BaseModel, Field

from signalbox_agent.texts import MailText


class DraftedMail(MailText):
    """One mail in plain text, ready to send."""

    send_after_hours: int = Field(ge=0, le=2_160, description="hours from now; 0 is at once")


class Draft(BaseModel):
    """The mails of one campaign in the order in which they are sent."""

    mails: list[DraftedMail] = Field(min_length=3, max_length=8)
