"""``python -m active_outreach`` runs the agent's service."""

from active_outreach.agent import make_agent
from signalbox_agent import serve

if __name__ == "__main__":
    serve(make_agent())
