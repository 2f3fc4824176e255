"""``python -m nurture_campaign`` runs the agent's service."""

from nurture_campaign.agent import make_agent
from signalbox_agent import serve

if __name__ == "__main__":
    serve(make_agent())
