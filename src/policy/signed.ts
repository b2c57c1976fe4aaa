/**
 * What is said to a whole mesh, a policy or its list of members: readable text under a signature, so that neither broker nor
 * network nor a copied file is trusted.
 *
 *     roamwall-policy 1          or      roamwall-members 1
 *     mesh NAME
 *     revision N
 *     signature <128 hex digits>
 *     (empty line)
 *     the policy or the list, as in a file
 *
 * The signature (Ed25519) is over everything else. `mesh` keeps a document from another mesh of the same administrator
 * out, `revision` an older one.
 */
import { hex } from "../base/bytes.ts";
import { badInput } from "../base/errors.ts";
import type { Ed25519 } from "../platform/platform.ts";

/** What is signed; each names itself in its first line, so that none passes for the other. */
export type SignedKind = "policy" | "members";

const HEAD_LINES = 5;
export const MESH_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
export const REVISION_MAX = 2 ** 48;

export interface SignedDocument {
  readonly mesh: string;
  readonly revision: number;
  /** Names the document for people: the first digits of its signature. */
  readonly id: string;
  readonly text: string;
}

export function signDocument(
  ed25519: Ed25519,
  seed: Uint8Array,
  { mesh, revision, text }: Omit<SignedDocument, "id">,
  kind: SignedKind = "policy",
): string {
  const signature = ed25519.sign(seed, message(kind, mesh, revision, text));
  return `${firstLine(kind)}\nmesh ${mesh}\nrevision ${revision}\nsignature ${hex(signature)}\n\n${text}`;
}

/**
 * The document, if one of the keys signed it for this mesh. Throws ROAMWALL_ERR_INPUT; nothing of a document that is not
 * signed is read any further than its head.
 */
export function openSigned(
  ed25519: Ed25519,
  keys: readonly Uint8Array[],
  mesh: string,
  document: string,
  place: string,
  kind: SignedKind = "policy",
): SignedDocument {
  const { mesh: said, revision, signature, text } = readHead(document, place, kind);
  const signed = message(kind, said, revision, text);
  if (!keys.some((key) => ed25519.verify(key, signed, bytesOf(signature)))) {
    throw badInput(
      place,
      `revision ${revision} is not signed by a key of ours`,
      "a document signed by the mesh's policy key",
    );
  }
  if (said !== mesh) throw badInput(place, `${kind} of mesh ${said}`, `${kind} of mesh ${mesh}`);
  return { mesh, revision, id: signature.slice(0, 16), text };
}

/** What a document says of itself, whoever wrote it. Throws ROAMWALL_ERR_INPUT. */
export function readHead(
  document: string,
  place: string,
  kind: SignedKind,
): Omit<SignedDocument, "id"> & { readonly signature: string } {
  const lines = document.split("\n", HEAD_LINES);
  const [first, meshLine, revisionLine, signatureLine, empty] = lines;
  const mesh = /^mesh (\S+)$/.exec(meshLine ?? "")?.[1];
  const revision = /^revision (\d{1,15})$/.exec(revisionLine ?? "")?.[1];
  const signature = /^signature ([0-9a-f]{128})$/.exec(signatureLine ?? "")?.[1];
  if (first !== firstLine(kind) || mesh === undefined || revision === undefined || !signature || empty !== "") {
    const form = `\`${firstLine(kind)}\`, \`mesh NAME\`, \`revision N\`, \`signature HEX\`, an empty line, and the ${kind}`;
    throw badInput(place, `no signed ${kind}`, form);
  }
  const text = document.slice(lines.reduce((sum, line) => sum + line.length + 1, 0));
  return { mesh, revision: Number(revision), signature, text };
}

function firstLine(kind: SignedKind): string {
  return `roamwall-${kind} 1`;
}

function message(kind: SignedKind, mesh: string, revision: number, text: string): Uint8Array {
  return new TextEncoder().encode(`${firstLine(kind)}\nmesh ${mesh}\nrevision ${revision}\n\n${text}`);
}

export type SignedPolicy = SignedDocument;

/** 64 hex digits. Throws ROAMWALL_ERR_INPUT; the text is not repeated, it may be a secret. */
export function parseKeyHex(text: string, place: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/i.test(text)) throw badInput(place, "no key", "64 hex digits");
  return bytesOf(text);
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16));
}
