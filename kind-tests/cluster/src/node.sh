# Makes the mount namespace that it runs in a node of its own. $1: the node's folder; $2, $3: where the binaries are.
# Nothing of it is seen outside: mounts come in from the machine, and none go out.
mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work" overlay /etc

mount --bind "$1/opt" /opt
mount --bind "$2" /opt/kubernetes
mount --bind "$3" /opt/containerd

# kubelet sets these for the whole machine, unless it finds them as it wants them.
for value in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=$1/sysctl/$(basename "${value%=*}")
    echo "${value#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${value%=*}"
done

mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/netns /run/lock
mount --bind "$1/log" /var/log
mount --bind "$1/lib" /var/lib
# A container that asks for HostToContainer sees namespaces that are mounted later only below a shared mount.
mount --make-rshared /

echo 1 >/proc/sys/net/ipv4/ip_forward
