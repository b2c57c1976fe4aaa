import { expect, it } from "vitest";
import { parseGeometry } from "../bloom/geometry.ts";
import { portableCrypto } from "../platform/portable-crypto.ts";
import { MESH_DEFAULTS } from "./mesh.ts";
import { rehearse } from "./rehearsal.ts";
import { Replicator } from "./replicator.ts";

it.each([
  ["4x1024x8/r26", 2 * 5461],
  ["4x256x8/r12", 2 * 5461],
  ["4x32x8/r26", 2 * 682],
])("mirrors every cell of the tables it made up: %s", (text, used) => {
  const geometry = parseGeometry(text, "test");
  expect(rehearse(geometry, portableCrypto, (parts) => new Replicator(parts, MESH_DEFAULTS))).toBe(used);
});
