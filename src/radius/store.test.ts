import { expect, it } from "vitest";
import { attribute, integerAttribute } from "./packet.ts";
import { startRadius } from "./radius.ts";
import { readSessions } from "./store.ts";
import { Bench, FakeRights, MAC, SECRET } from "./testing/bench.ts";
import { text } from "./testing/vectors.ts";

async function restarted(bench: Bench, stored: string): Promise<FakeRights> {
  const rights = new FakeRights();
  const options = { secret: SECRET, demandMessageAuthenticator: false };
  const store = { read: () => stored, write() {} };
  const radius = await startRadius({ platform: bench.world.platform, rights, options, store });
  await radius.reapply();
  return rights;
}

async function kept(...attributes: Parameters<Bench["login"]>): Promise<[Bench, string]> {
  let stored = "";
  const store = {
    read: () => stored,
    write: (now: string) => {
      stored = now;
    },
  };
  const bench = await Bench.open({}, store);
  await bench.login(attribute("Filter-Id", text("staff")), ...attributes);
  await bench.world.pass(1000);
  return [bench, stored];
}

it("gives sessions to the next agent, rights, names and what is left of their time", async () => {
  const [bench, stored] = await kept(integerAttribute("Session-Timeout", 3600));
  bench.world.wallSeconds! += 600;
  const rights = await restarted(bench, stored);
  expect(rights.given.get(MAC)).toMatchObject({ role: "staff", leftSeconds: 3030 });
  expect(readSessions(stored, undefined)[0]!.named.get("User-Name")?.size).toBe(1);
});

it("gives nothing whose time is over, and nothing of a file that is not whole", async () => {
  const [bench, stored] = await kept(integerAttribute("Session-Timeout", 3600));
  bench.world.wallSeconds! += 3700;
  expect((await restarted(bench, stored)).given.size).toBe(0);
  for (let cut = 0; cut < stored.length; cut += 3) expect(readSessions(stored.slice(0, cut), 0)).toEqual([]);
});

it("forgets a session when its time is over", async () => {
  const [bench] = await kept(integerAttribute("Session-Timeout", 3600));
  expect(bench.radius.knows(MAC)).toBe(true);
  await bench.world.pass(3_640_000);
  expect(bench.radius.knows(MAC)).toBe(false);
});
