# Stands in for apicurio/apicurio-registry-mem: the same application, from its Maven artifact. The context is
# the folder that the artifact was unpacked into.
FROM signalbox-stand-in/java:17
COPY --chown=1001:0 . /deployments
USER 1001
EXPOSE 8080
LABEL signalbox.stand-in=true
CMD ["sh", "-c", "exec java $JAVA_OPTIONS -Dquarkus.http.host=0.0.0.0 -jar /deployments/*-runner.jar"]
