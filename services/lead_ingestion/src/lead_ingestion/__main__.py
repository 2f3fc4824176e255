"""``python -m lead_ingestion`` runs the agent's service."""

from lead_ingestion.agent import make_agent
from signalbox_agent import serve

if __name__ == "__main__":
    serve(make_agent())
