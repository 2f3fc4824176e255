# Stands in for python:3.11-slim: the distribution's Python under the names that the official image has.
FROM signalbox-stand-in/debian:bookworm
RUN apt-get update -qq \
 && apt-get install -qq --no-install-recommends ca-certificates python3 python3-venv python3-pip >/dev/null \
 && ln -s /usr/bin/python3 /usr/local/bin/python \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*
LABEL signalbox.stand-in=true
CMD ["python"]
