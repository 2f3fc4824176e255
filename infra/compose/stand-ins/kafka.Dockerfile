# Stands in for apache/kafka: Apache Kafka's own artifacts, configured by the same variables. The context is
# a folder with `kafka/` (the class path) and `log4j2.properties`.
FROM signalbox-stand-in/java:17
RUN useradd --uid 1000 --create-home appuser \
 && install -d -o 1000 -g 1000 /opt/kafka/config /var/lib/kafka/data
COPY kafka /opt/kafka/libs
COPY log4j2.properties /opt/kafka/log4j2.properties
COPY --chmod=755 kafka-run /etc/kafka/docker/run
USER appuser
EXPOSE 9092
VOLUME ["/var/lib/kafka/data"]
LABEL signalbox.stand-in=true
CMD ["/etc/kafka/docker/run"]
