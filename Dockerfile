# Builds the same image as .ci/release, with a container engine:
#
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" \
#     --build-arg CREATED="$(git log -1 --format=%cI)" --tag tempcred .
FROM rust:1.95.0-bookworm AS build
WORKDIR /tempcred
COPY . .
ARG REVISION=
RUN TEMPCRED_COMMIT=$(printf %.12s "$REVISION") .ci/image-root /image

FROM scratch
COPY --from=build /image/ /
USER 65532:65532
ENTRYPOINT ["/tempcred"]
CMD ["run"]
ARG VERSION=
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="tempcred" \
      org.opencontainers.image.description="Kubernetes operator that keeps Secrets filled with short-lived AWS credentials from STS" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="https://github.com/tempcred/tempcred" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.created="$CREATED"
