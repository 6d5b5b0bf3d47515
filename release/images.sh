#!/bin/sh
# Builds the images operator and agent for arm64 and amd64 in the release profile, with labels and an SBOM, as one manifest list
# each. PUSH=1 pushes both; without it an OCI archive of each lies in target/release-images.
# REGISTRY: registry and path, as the chart's image.registry. TAG: as the chart's image.tag, by default the chart's appVersion.
set -eu

: "${REGISTRY:=}" "${TAG:=}" "${PUSH:=}"
cd "$(dirname "$0")/.."
here=$(pwd)
out=$here/target/release-images
# All that is built is built from this copy: tools write beside the manifests, and people edit while a build runs.
source=$out/source
url=https://github.com/eniclaim/eniclaim

refuse() {
    echo "release-images: $*" >&2
    exit 1
}

check() {
    case $PUSH in
        '' | 1) ;;
        *) refuse "PUSH=$PUSH: 1 pushes; leave PUSH out to keep the images here" ;;
    esac
    [ -n "$TAG" ] || TAG=$(sed -n 's/^appVersion: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' charts/eniclaim/Chart.yaml)
    echo "$TAG" | grep -qE '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$' ||
        refuse "TAG=$TAG is no tag: letters, digits, '_', '.' and '-' make one, at most 128"
    # As the chart refuses it, and what no repository is named by.
    ! echo "$REGISTRY" | grep -qE '(/|:[^/]*[^0-9/][^/]*)$|://|[^a-z0-9./:_-]' ||
        refuse "REGISTRY=$REGISTRY has to be a registry and a path, such as registry.example.com:5000/eniclaim:" \
            "/operator, /agent and the tag are appended"
    [ -n "$REGISTRY" ] || [ -z "$PUSH" ] || refuse "PUSH=1 needs REGISTRY=, the registry and path to push to"
    revision=$(git rev-parse HEAD)
    changed=$(git status --porcelain)
    [ -n "$changed" ] || return 0
    [ -z "$PUSH" ] || refuse "PUSH=1 pushes what a commit has, and the label org.opencontainers.image.revision names it;" \
        "this is in no commit:
$changed
Commit it, stash it or remove it; or leave PUSH out, and images of the files as they are stay here."
    revision=$revision-dirty
}

copy_source() {
    rm -rf "$source"
    mkdir -p "$source"
    # A file that was deleted and not committed is in the list and not in the folder.
    git ls-files -z --cached --others --exclude-standard |
        tar --create --null --files-from - --ignore-failed-read | tar --extract --directory "$source"
}

# One program for $target. zig does not know rustc's -static-pie, and without -pie it links to fixed addresses.
program() {
    profile=$1 package=$2 binary=$3
    cargo-zigbuild rustc --locked --target "$target" --profile "$profile" --package "$package" --bin "$binary" -- -C link-arg=-pie
}

# A profile of its own for what runs on every node: size before speed.
binaries() {
    rustup --quiet target add "$target"
    program release operator eniclaim-operator
    program agent node-agent eniclaim-agent
    program cni cni eniclaim
}

# The folder from which the Dockerfile makes the images of one architecture.
fill() {
    rm -rf "$context"
    mkdir -p "$context"
    built=$CARGO_TARGET_DIR/$target
    for binary in "$built/release/eniclaim-operator" "$built/agent/eniclaim-agent" "$built/cni/eniclaim"; do
        # A binary for another machine, or one that needs a library, would start on no node.
        LC_ALL=C readelf --wide --file-header --program-headers "$binary" > "$context/elf"
        grep -q "Machine: *$machine\$" "$context/elf" || refuse "$binary is not for $machine"
        ! grep -q INTERP "$context/elf" || refuse "$binary is not static"
        grep -q "Type: *DYN" "$context/elf" || refuse "$binary is linked to fixed addresses"
        cp "$binary" "$context"
    done
    rm "$context/elf"
    # Mozilla's roots, and not what else this machine trusts.
    awk 1 /usr/share/ca-certificates/mozilla/*.crt > "$context/ca-certificates.crt"
    cp LICENSE "$context"
    # What is in them: crates with versions, licences and hashes. For compilers the time is not set: with it each commit would
    # compile all C anew, and the AWS SDK after it.
    SOURCE_DATE_EPOCH=$seconds cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$target"
    for crate in operator node-agent cni; do
        sed "s|path+file://$source|path+file:///eniclaim|g" "$crate/$crate.cdx.json" > "$context/$crate.cdx.json"
    done
}

# Storage of its own, so that nothing is left in the user's.
store() {
    buildah --storage-driver vfs --root "$out/storage/root" --runroot "$out/storage/run" "$@"
}

# Layers may be folders without the right to write, which keeps whoever is not root from removing what is in them.
remove_storage() {
    [ ! -e "$out/storage" ] || chmod -R u+rwX "$out/storage"
    rm -rf "$out/storage"
}

# One image for one architecture, added to the manifest list.
image() {
    name=$1 arch=$2 description=$3
    store build --quiet --isolation chroot --platform "linux/$arch" --file "$source/Dockerfile" --target "$name-release" \
        --timestamp "$seconds" --identity-label=false \
        --label "org.opencontainers.image.title=eniclaim $name" \
        --label "org.opencontainers.image.description=$description" \
        --label "org.opencontainers.image.source=$url" \
        --label "org.opencontainers.image.url=$url" \
        --label "org.opencontainers.image.documentation=$url/blob/main/README.md" \
        --label "org.opencontainers.image.version=$TAG" \
        --label "org.opencontainers.image.revision=$revision" \
        --label "org.opencontainers.image.created=$created" \
        --label "org.opencontainers.image.licenses=Apache-2.0" \
        --manifest "$name" "$context" > /dev/null
}

deliver() {
    name=$1
    rm -f "$out/$name.tar"
    if [ -n "$PUSH" ]; then
        store manifest push --quiet --all --format oci --digestfile "$out/$name.digest" "$name" "docker://$REGISTRY/$name:$TAG"
        echo "pushed: $REGISTRY/$name:$TAG@$(cat "$out/$name.digest")"
    else
        store manifest push --quiet --all "$name" "oci-archive:$out/$name.tar:$TAG"
        echo "built: target/release-images/$name.tar ($TAG)"
    fi
}

check
mkdir -p "$out"
exec 8>"$out/lock"
flock --nonblock 8 || refuse "it runs in this checkout already"
created=$(git log -1 --format=%cI)
seconds=$(git log -1 --format=%ct)
copy_source
PATH=$(release/tools.sh):$PATH
CARGO_TARGET_DIR=$out/build
CARGO_PROFILE_RELEASE_STRIP=true
ZIG_GLOBAL_CACHE_DIR=$out/zig
CARGO_ZIGBUILD_CACHE_DIR=$out/zig
# No name of a folder of this machine is in what is released.
RUSTFLAGS="--remap-path-prefix=$source=/eniclaim --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
export PATH CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_STRIP ZIG_GLOBAL_CACHE_DIR CARGO_ZIGBUILD_CACHE_DIR RUSTFLAGS
cd "$source"
remove_storage
for arch in arm64 amd64; do
    context=$out/$arch
    case $arch in
        amd64) target=x86_64-unknown-linux-musl machine="Advanced Micro Devices X86-64" ;;
        arm64) target=aarch64-unknown-linux-musl machine=AArch64 ;;
    esac
    binaries
    fill
    image operator "$arch" "Attaches AWS Elastic Network Interfaces for Kubernetes pods that ask for one"
    image agent "$arch" "Moves AWS Elastic Network Interfaces into the pods of its node"
done
deliver operator
deliver agent
remove_storage
