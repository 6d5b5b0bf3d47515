#!/bin/sh
# Builds the images operator and agent for amd64 and arm64 in the release profile, with labels and an SBOM, as one manifest
# list each. They are pushed only if PUSH is set; without it an OCI archive of each lies in target/release-images.
# REGISTRY: registry and path, as the chart's image.registry. TAG: as the chart's image.tag.
set -eu

: "${REGISTRY:=ghcr.io/eniclaim}" "${TAG:=0.1.0}" "${PUSH:=}"
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
out=target/release-images
tools=${XDG_CACHE_HOME:-$HOME/.cache}/eniclaim/release-tools-1
source=https://github.com/eniclaim/eniclaim
revision=$(git rev-parse HEAD)
[ -z "$(git status --porcelain)" ] || revision=$revision-dirty
created=$(git log -1 --format=%cI)

# zig is a C compiler and a linker for musl on both architectures; aws-lc has C and assembly.
if [ ! -x "$tools/bin/cargo-zigbuild" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet cargo-zigbuild==0.24.1 ziglang==0.17.1
fi
# Away from the repository, whose cargo settings are not meant for it.
[ -x "$tools/bin/cargo-cyclonedx" ] || (cd / && cargo install --quiet --locked --root "$tools" cargo-cyclonedx --version 0.5.9)
PATH=$tools/bin:$PATH

# A binary of its own profile: size before speed for what runs on every node.
binaries() {
    target=$1
    rustup target add "$target" 2>/dev/null || true
    cargo zigbuild --locked --target "$target" --release --package operator
    cargo zigbuild --locked --target "$target" --profile agent --package node-agent
    cargo zigbuild --locked --target "$target" --profile cni --package cni
}

# What is in it: crates with versions, licences and hashes, as CycloneDX.
sbom() {
    target=$1 crate=$2 name=$3
    cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$target" --manifest-path "$crate/Cargo.toml" \
        --override-filename "$name.cdx"
    mv "$crate/$name.cdx.json" "$context/"
}

# One image for one architecture, added to the manifest list.
image() {
    name=$1 arch=$2 title=$3
    buildah build --quiet --isolation chroot --platform "linux/$arch" --file Dockerfile --target "$name-release" \
        --timestamp "$(git log -1 --format=%ct)" \
        --label "org.opencontainers.image.title=$title" \
        --label "org.opencontainers.image.source=$source" \
        --label "org.opencontainers.image.url=$source" \
        --label "org.opencontainers.image.version=$TAG" \
        --label "org.opencontainers.image.revision=$revision" \
        --label "org.opencontainers.image.created=$created" \
        --label "org.opencontainers.image.licenses=Apache-2.0" \
        --manifest "$REGISTRY/$name:$TAG" "$context"
}

for name in operator agent; do
    buildah manifest rm "$REGISTRY/$name:$TAG" >/dev/null 2>&1 || true
done
for arch in amd64 arm64; do
    case $arch in
        amd64) target=x86_64-unknown-linux-musl ;;
        arm64) target=aarch64-unknown-linux-musl ;;
    esac
    binaries "$target"
    context=$here/$out/$arch
    rm -rf "$context" && mkdir -p "$context"
    cp "target/$target/release/eniclaim-operator" "target/$target/agent/eniclaim-agent" "target/$target/cni/eniclaim" "$context"
    cp /etc/ssl/certs/ca-certificates.crt LICENSE "$context"
    sbom "$target" operator operator
    sbom "$target" node-agent agent
    sbom "$target" cni cni
    image operator "$arch" "eniclaim operator"
    image agent "$arch" "eniclaim agent"
done
for name in operator agent; do
    if [ -n "$PUSH" ]; then
        buildah manifest push --all "$REGISTRY/$name:$TAG" "docker://$REGISTRY/$name:$TAG"
    else
        rm -f "$out/$name.tar"
        buildah manifest push --quiet --all "$REGISTRY/$name:$TAG" "oci-archive:$out/$name.tar:$TAG"
    fi
done
