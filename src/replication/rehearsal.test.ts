import { expect, it } from "vitest";
import { portableCrypto } from "../platform/portable-crypto.ts";
import { MESH_DEFAULTS } from "./mesh.ts";
import { rehearse } from "./rehearsal.ts";
import { Replicator } from "./replicator.ts";

it("mirrors every cell of the tables it made up, changed, and lost", () => {
  const [first, second] = rehearse(portableCrypto, (parts) => new Replicator(parts, MESH_DEFAULTS));
  expect(second!.published).toBe(5461);
  expect(first!.published).not.toBe(5461);
  expect(first!.mirrored).toBe(second!.published);
  expect(second!.mirrored).toBe(first!.published);
});
