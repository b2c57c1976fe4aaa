import { badInput } from "./errors.ts";

/** Six bytes as lower-case hex pairs with colons: one spelling, so that it can be a map key. */
export type Mac = string & { readonly brand: "mac" };

const TEXT = /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$|^[0-9a-f]{12}$/;

/** Accepts aa:bb:.., aa-bb-.. and aabb.. in either case. Throws ROAMWALL_ERR_INPUT. */
export function parseMac(text: string, place: string): Mac {
  const lower = text.toLowerCase();
  if (!TEXT.test(lower)) throw badInput(place, `"${text}" is no MAC address`, "six hex pairs, as 02:00:00:00:0a:01");
  return lower.replace(/[:-]/g, "").match(/../g)!.join(":") as Mac;
}

export function macFromBytes(bytes: ArrayLike<number>, at = 0): Mac {
  let text = "";
  for (let i = 0; i < 6; i++) text += `${i ? ":" : ""}${(bytes[at + i] as number).toString(16).padStart(2, "0")}`;
  return text as Mac;
}

export function macToBytes(mac: Mac): number[] {
  return mac.split(":").map((pair) => Number.parseInt(pair, 16));
}
