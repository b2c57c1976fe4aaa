/** Kernel, files, ports and clock: what must be there before anything can run. */
import { type Check, held, problemOf, type World } from "./world.ts";

/** The oldest that the object was loaded on. */
const KERNEL_LEAST = [5, 10] as const;
const MEMORY_LEAST_BYTES = 16 << 20;
/** IP and UDP before a datagram of 1,400 bytes. */
const MESH_MTU_LEAST = 1_448;

const one = (finding: string | undefined | false, remedy: string) => (finding ? [{ finding, remedy }] : []);

export const MACHINE_CHECKS: readonly Check[] = [
  {
    id: "settings",
    about: "the settings file is there and means something",
    severity: "high",
    find: ({ settings, settingsFile }) =>
      one(
        problemOf(settings),
        `mend it, or copy docs/examples/agent.yaml to ${settingsFile}; roamwall agent --check --config FILE checks it`,
      ),
  },
  {
    id: "key",
    about: "the key file is there, readable by its owner alone, and whole",
    severity: "high",
    find: ({ key }) =>
      one(problemOf(key), "roamwall key makes one; it is the same on all APs, mode 0600 (docs/keys.md)"),
  },
  {
    id: "policy",
    about: "the policy file is there and means something",
    severity: "high",
    find: ({ policy }) =>
      one(
        problemOf(policy),
        "write it (docs/policy.md), or mend the line that is named (roamwall policy check FILE); a running agent keeps the last good one",
      ),
  },
  {
    id: "radius-secret",
    about: "the RADIUS secret is there, readable by its owner alone",
    severity: "high",
    find: ({ radiusSecret }) =>
      one(problemOf(radiusSecret), "put the secret into the first line of radius.secret-file, and chmod 600 it"),
  },
  {
    id: "kernel",
    about: "the kernel is new enough",
    severity: "high",
    find: ({ kernel }) =>
      one(
        isOlder(kernel.release) && `kernel ${kernel.release} is older than ${KERNEL_LEAST.join(".")}`,
        "a newer kernel; roamwalld's own message says what it lacks",
      ),
  },
  {
    id: "bpffs",
    about: "a bpffs is mounted, in which tables outlive a restart",
    severity: "high",
    find: ({ kernel }) =>
      one(
        !kernel.hasBpffs && "no bpffs is mounted at /sys/fs/bpf",
        "mount -t bpf bpf /sys/fs/bpf (a line `bpf /sys/fs/bpf bpf defaults 0 0` in /etc/fstab keeps it)",
      ),
  },
  {
    id: "jit",
    about: "the kernel compiles BPF programs",
    severity: "medium",
    find: ({ kernel }) =>
      one(
        kernel.jit === 0 && "the kernel interprets BPF programs: each packet costs several times more",
        "sysctl net.core.bpf_jit_enable=1",
      ),
  },
  {
    id: "memory",
    about: "there is memory left",
    severity: "medium",
    find: ({ kernel: { memoryFreeBytes: free } }) =>
      one(
        free !== undefined && free < MEMORY_LEAST_BYTES && `${Math.round(free / 1e6)} MB of memory are left`,
        "fewer mirrors (replication.memory) or a smaller table (roamwalld --table)",
      ),
  },
  {
    id: "clock",
    about: "the clock is set",
    severity: "low",
    find: ({ wallSeconds }) =>
      one(
        wallSeconds === undefined &&
          "the clock is not set: times are missing, replayed CoA requests are known by memory alone",
        "a time server (ntpd, chrony, or OpenWrt's sysntpd)",
      ),
  },
  {
    id: "mesh-address",
    about: "the address on the mesh link is this machine's",
    severity: "high",
    find: ({ settings, links }) => {
      const bind = held(settings)?.replication;
      if (!links || !bind?.enabled) return [];
      const isHere = links.some(({ addresses }) => addresses.includes(bind.bind));
      return one(
        !isHere && `no interface has replication.bind's address ${bind.bind}`,
        "give the mesh interface that address, or name its own in replication.bind",
      );
    },
  },
  {
    id: "mesh-mtu",
    about: "datagrams of the mesh fit its link",
    severity: "medium",
    find: ({ settings, links }) => {
      const bind = held(settings)?.replication;
      const link = links?.find(({ addresses }) => bind?.enabled && addresses.includes(bind.bind));
      return one(
        link !== undefined && link.mtu < MESH_MTU_LEAST && `${link.name} carries ${link.mtu} bytes: datagrams are cut`,
        `ip link set ${link?.name ?? "IFACE"} mtu 1500`,
      );
    },
  },
  {
    id: "port",
    about: "the netdevs that clients are behind exist, are up and filtered",
    severity: "high",
    find: portFindings,
  },
];

function isOlder(release: string): boolean {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  return major < KERNEL_LEAST[0] || (major === KERNEL_LEAST[0] && minor < KERNEL_LEAST[1]);
}

function portFindings({ agent, links }: World) {
  const ports = held(agent)?.datapath?.ports;
  if (!ports) return [];
  const found = ports.flatMap(({ name, attached }) => {
    const link = links?.find((one) => one.name === name);
    if (!attached) {
      const why = links && !link ? "it does not exist" : "roamwalld could not attach to it, or it went";
      return [
        {
          finding: `port ${name} is not filtered: ${why}`,
          remedy: `bring ${name} up; roamwalld follows by itself, or says why not in its log`,
        },
      ];
    }
    return link && !link.isUp
      ? [{ finding: `port ${name} is down: no client can be there`, remedy: `ip link set ${name} up` }]
      : [];
  });
  if (ports.length > 0) return found;
  return one(
    "no port is filtered: roamwalld has found none of its --port",
    "name netdevs with clients: roamwalld --port wlan0",
  );
}
