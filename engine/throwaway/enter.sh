# Runs as the first process of a new PID and mount namespace. Makes that
# namespace fit for an engine and becomes the engine. All it mounts vanishes
# with the namespace, and nothing but the folder $D is written to.
#
#   $1 the engine's folder   $2 a system to run it from, or "" for this one
#   the rest: the engine's command
set -eu
D=$1 ROOT=$2
shift 2

# Slave, not private: nothing gets out, but what the machine unmounts is
# unmounted here too, so that we hold no namespace or disk of it.
mount --make-rslave /

# $D/m is a tmpfs for whatever must not reach a disk. We stay in it, so that it
# can be reached when something is mounted above its path.
mount -t tmpfs -o mode=755 tmpfs "$D/m"
cd "$D/m"
mkdir d data
mount --bind "$D" d
mount --bind "$D/data" data # on disk, or a tmpfs that is mounted there

if [ -n "$ROOT" ]; then
	R=root
	mkdir low up work root
	mount --bind "$ROOT" low
	mount -t overlay -o "lowerdir=$D/m/low,upperdir=$D/m/up,workdir=$D/m/work" overlay root
	mkdir -p root/dev root/sys root/proc root/run root/tmp
	mount --rbind /dev root/dev
	mount --rbind /sys root/sys
	mount -t tmpfs -o mode=1777 tmpfs root/tmp
else
	R=
	# What is written to /etc and /var goes to the tmpfs.
	for p in /etc /var; do
		up=up$(echo "$p" | tr / -)
		mkdir "$up" "$up-work" "$up-top"
		mount -t overlay -o "lowerdir=$p,upperdir=$D/m/$up,workdir=$D/m/$up-work" overlay "$up-top"
	done
	mount --move up-etc-top /etc
	mount --move up-var-top /var
fi
mount -t proc proc "$R/proc"
mount -t tmpfs -o mode=1777 tmpfs "$R/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$R/run"

# The folder, seen where it is from outside, whatever was mounted above it.
mkdir -p "$R$D"
mount --bind d "$R$D"
mount --bind data "$R$D/data"

# Docker before 23 keeps the engine's ID there. Each engine has its own, and
# keeps it over a restart.
rm -rf "$R/etc/docker"
mkdir -p "$R/etc/docker"
mount --bind "$R$D/etc" "$R/etc/docker"

if [ -n "$ROOT" ]; then
	exec chroot root "$@"
fi
cd /
exec "$@"
