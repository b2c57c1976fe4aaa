import { expect, it } from "vitest";
import { portableCrypto } from "../platform/portable-crypto.ts";
import { MESH_DEFAULTS } from "./mesh.ts";
import { rehearse } from "./rehearsal.ts";
import { Replicator } from "./replicator.ts";

it("mirrors every cell of the tables it made up", () => {
  expect(rehearse(portableCrypto, (parts) => new Replicator(parts, MESH_DEFAULTS))).toBe(2 * 5461);
});
