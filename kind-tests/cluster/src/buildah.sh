# Runs buildah with the arguments from $2 on, in a mount namespace of its own: it leaves locks and caches in /etc, /run
# and /var/lib. $1: a folder.
mount -t tmpfs tmpfs "$1"
for folder in etc var/lib; do
    mkdir -p "$1/upper/$folder" "$1/work/$folder"
    mount -t overlay -o "lowerdir=/$folder,upperdir=$1/upper/$folder,workdir=$1/work/$folder" overlay "/$folder"
done
mount -t tmpfs tmpfs /run
shift
exec buildah "$@"
