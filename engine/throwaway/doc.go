// Package throwaway starts real container engines that live only as long as
// their user: for tests against several Docker, Podman and containerd versions,
// for cmd/imgbench and for cmd/imgdemo. It also makes the images to put in them.
//
// An engine runs in a mount and a PID namespace of its own and is the first
// process of that namespace. The kernel therefore ends everything that belongs
// to it (containerd, shims, containers, mounts) in the moment the engine ends,
// and ends the engine in the moment its user ends, even by SIGKILL. All its
// files are in one folder under [os.TempDir], which [Engine.Stop] removes; a
// folder whose owner was killed is removed by the next [Start]. Images are kept
// there too, or in memory, which is free again when the engine is stopped or its
// user has ended.
//
// Images are made of generated data and are deterministic: equal [Image]
// values have equal layers and equal IDs on every machine of one architecture.
//
// What the package does not do:
//
//   - It never talks to the machine's own engine and never uses its sockets,
//     its data, its configuration or its containerd.
//   - It installs and downloads nothing. Engines of other versions are folders
//     with a Debian system and Docker in it, made beforehand (mmdebstrap).
//   - It is no sandbox. The engines run as root, share the machine's devices,
//     kernel and, unless [Spec.NetNS] says otherwise, its network.
//   - It gives containers no network: no bridge, no iptables rules. They run
//     with --network none or host.
//   - It works on Linux, as root. Elsewhere [Available] says so and [Start]
//     fails; making images works everywhere.
package throwaway
