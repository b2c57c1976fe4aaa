import { Device } from "/tmp/w/pkg/test/openwrt/device.ts";

const d = new Device();
const t = (l: string) => {
  const r = d.try(l);
  console.log("$", l, "->", r.status, r.stdout, r.stderr);
};
try {
  const P = "/tmp/w/pkg-out1";
  console.log(d.opkg.install(`${P}/roamwalld_0.1.0-r1_x86_64.ipk`));
  console.log(d.opkg.install(`${P}/roamwall_0.1.0-r1_all.ipk`));
  t("ls /etc/rc.d /tmp/procd; cat /tmp/log; cat /etc/config/roamwall | head -5");
  t("uci set roamwall.agent.enabled=1; uci get roamwall.agent.enabled; roamwall uci apply");
  t("sh -x /etc/rc.common /etc/init.d/roamwall reload; cat /tmp/log");
  t("echo a | logger -t x; cat /tmp/log; which logger node");
} finally {
  d.close();
}
