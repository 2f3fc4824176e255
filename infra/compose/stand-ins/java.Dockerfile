# The Java under the stand-ins of broker and registry.
FROM signalbox-stand-in/debian:bookworm
RUN apt-get update -qq \
 && apt-get install -qq --no-install-recommends openjdk-17-jre-headless >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*
LABEL signalbox.stand-in=true
