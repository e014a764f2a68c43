# The image: docker build --target telltale -t telltale:dev .   (make image)
# The tests: docker build --target test .
# Classic syntax only, so that Debian's engine builds it without BuildKit too. That one builds every stage up to the
# target, so what the image does not need stands behind it.
ARG BASE=debian:bookworm-slim

# Compiler and libraries: the list that `make build` installs. APT_MIRROR names a dated mirror of Debian's packages
# (http://MIRROR/debian/20261101T000000Z): the same date gives the same packages, and with them the same files.
FROM ${BASE} AS packages
ARG APT_MIRROR=
WORKDIR /src
COPY .ci/install .ci/step .ci/packages.txt .ci/
COPY deploy/image/use-mirror deploy/image/
RUN deploy/image/use-mirror "${APT_MIRROR}" && .ci/install .ci/packages.txt && rm -rf /var/lib/apt/lists/*

FROM packages AS build
COPY CMakeLists.txt CMakePresets.json ./
COPY sniff sniff
COPY config config
COPY proxy proxy
COPY cli cli
ARG JOBS=
ENV CCACHE_DISABLE=1
RUN cmake --preset release -DTELLTALE_TESTS=OFF -DTELLTALE_BENCH=OFF -DTELLTALE_COMMIT=unknown \
    && cmake --build --preset release --target telltale_cli -j "${JOBS:-$(nproc)}"
# Behind everything that does not know it: a new commit costs one file and the link.
ARG COMMIT=unknown
RUN cmake -DTELLTALE_COMMIT="${COMMIT}" build/release \
    && cmake --build --preset release --target telltale -j "${JOBS:-$(nproc)}"

FROM build AS files
COPY LICENSE ./
COPY deploy/image/collect deploy/image/
RUN deploy/image/collect build/release/telltale /files

# Nothing but the program, the libraries it loads, certificates and licences: no shell, no package manager.
FROM scratch AS telltale
COPY --from=files /files /
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="telltale" \
      org.opencontainers.image.description="A sidecar that moves the bytes of gRPC and tells which hop does not speak it" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/telltale-proxy/telltale" \
      org.opencontainers.image.documentation="https://github.com/telltale-proxy/telltale/blob/main/docs/commands.md" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${COMMIT}"
USER 2142:2142
EXPOSE 15970
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/usr/bin/telltale", "health"]
ENTRYPOINT ["/usr/bin/telltale"]
CMD ["proxy"]

# Unit, property and component tests, and those of the tree: all that needs no other program, with assertions on.
FROM packages AS test
COPY . .
ARG JOBS=
ENV CCACHE_DISABLE=1
RUN cmake --preset debug && cmake --build --preset debug -j "${JOBS:-$(nproc)}" && ctest --preset debug

FROM telltale
