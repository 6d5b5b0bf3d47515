# One image a daemon, each nothing but a static binary. The context is a folder that `make images`
# or `make release-images` fills.

FROM scratch AS operator
# The AWS SDK verifies EC2's certificate with the system's roots.
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY eniclaim-operator /eniclaim-operator
USER 65532:65532
ENTRYPOINT ["/eniclaim-operator"]

FROM scratch AS agent
COPY eniclaim /eniclaim
COPY eniclaim-agent /eniclaim-agent
ENTRYPOINT ["/eniclaim-agent"]

# As they are released: with the licence and what is in them.
FROM operator AS operator-release
COPY LICENSE operator.cdx.json /usr/share/doc/eniclaim/

FROM agent AS agent-release
COPY LICENSE node-agent.cdx.json cni.cdx.json /usr/share/doc/eniclaim/
