/** The page as the build made it: one file, with its style and its script inside. */
import type { Crypto, Files } from "../../platform/platform.ts";
import type { Answer } from "./http.ts";

export const PAGE_FILE = "roamwall-page.html";

/** Throws ROAMWALL_ERR_FILE. Only what the build put into the file may run: its hashes are in the policy. */
export function readPage(files: Files, path: string, { sha256 }: Pick<Crypto, "sha256">): Answer {
  const body = files.readBytes(path);
  const text = new TextDecoder().decode(body);
  const inside = (tag: string) => {
    const [, content = ""] = new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`).exec(text) ?? [];
    return `'sha256-${base64(sha256(new TextEncoder().encode(content)))}'`;
  };
  const policy = [
    "default-src 'none'",
    `script-src ${inside("script")}`,
    `style-src ${inside("style")}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    status: 200,
    type: "text/html; charset=utf-8",
    body,
    headers: { "Content-Security-Policy": policy.join("; ") },
  };
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const word = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const digits = [18, 12, 6, 0].map((shift) => ALPHABET[(word >> shift) & 63]);
    text += digits.map((digit, place) => (i + place > bytes.length ? "=" : digit)).join("");
  }
  return text;
}
