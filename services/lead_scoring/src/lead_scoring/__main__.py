"""``python -m lead_scoring`` runs the agent's service."""

from lead_scoring.agent import make_agent
from signalbox_agent import serve

if __name__ == "__main__":
    serve(make_agent())
