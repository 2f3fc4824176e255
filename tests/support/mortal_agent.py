"""An agent whose process dies of a message that says so: ``python tests/support/mortal_agent.py PORT``."""

import os
import signal
import sys

import uvicorn
from fastapi import FastAPI, Request

app = FastAPI()


@app.get("/readyz")
async def readyz() -> dict[str, bool]:
    return {"ready": True}


@app.post("/messages")
async def messages(request: Request) -> dict[str, bool]:
    if b"deadly" in await request.body():
        os.kill(os.getpid(), signal.SIGKILL)
    return {"done": True}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
