/** The status page of an access point, and its metrics: a file beside the agent's, for those whose settings name it. */
import { badInput } from "../../base/errors.ts";
import { macFromBytes } from "../../base/mac.ts";
import type { Geometry } from "../../bloom/geometry.ts";
import type { RingEvent } from "../../datapath/map-records.ts";
import type { MeshAp } from "../../mqtt/mesh-view.ts";
import type { Listener, Platform } from "../../platform/platform.ts";
import type { CompiledPolicy } from "../../policy/policy.ts";
import { policySources, roleOf } from "../../policy/sources.ts";
import type { RoamLine } from "../../proxy/roam-history.ts";
import { EXPOSITION_TYPE, exposition } from "../metrics/exposition.ts";
import type { Figures } from "../metrics/figures.ts";
import type { PageSettings } from "../settings-page.ts";
import type { ClientLine } from "../status.ts";
import { verdictOf } from "../verdict.ts";
import { PAGE_FILE, readPage } from "./assets.ts";
import { Guard } from "./guard.ts";
import { type Answer, type Endless, HttpServer, plain, type Request } from "./http.ts";
import { Live } from "./live.ts";
import {
  type DenialLine,
  FIRST_REASONS,
  type First,
  mostActive,
  type Now,
  type Sample,
  type Slow,
  scanEveryMs,
  tableView,
} from "./view.ts";

const ROOM = "page";
const NOW_EVERY_MS = 1_000;
const SAMPLE_EVERY_MS = 5_000;
const SAMPLES_MAX = 120;
const DENIALS_KEPT = 100;
const TOKEN_LENGTH_MIN = 16;

/** What the agent tells; nothing here changes anything. */
export interface PageSource {
  figures(): Promise<Figures>;
  /** Rejects while roamwalld is away, as `table` is undefined then. */
  clients(): Promise<ClientLine[]>;
  roams(): readonly RoamLine[];
  table(): { readonly geometry: Geometry; readonly cells: Uint32Array } | undefined;
  policy(): CompiledPolicy;
  /** Denials as they come. Answers how to end. */
  listen(tell: (event: RingEvent) => void): () => void;
  mesh(): readonly MeshAp[] | undefined;
}

export interface PageParts {
  readonly platform: Platform;
  readonly settings: PageSettings;
  /** The access point's. */
  readonly name: string;
  readonly source: PageSource;
}

interface Denial {
  readonly event: RingEvent;
  readonly number: number;
  readonly atMs: number;
  readonly seconds: number | null;
}

export interface Page {
  readonly listener: Listener;
  close(): void;
}

/** Rejects when the address cannot be had, and when the token is none. */
export async function startPage(parts: PageParts): Promise<Page> {
  const page = new StatusPage(parts);
  await page.start();
  return page;
}

class StatusPage implements Page {
  listener!: Listener;
  private readonly page: Answer;
  private readonly guard: Guard;
  private readonly live: Live;
  private readonly samples: Sample[] = [];
  /** Put into words when somebody looks: an attack makes 64 a second and client. */
  private readonly denials: Denial[] = [];
  private denialNumber = 0;
  private toldDenial = 0;
  private usedBefore: { atMs: number; cpuSeconds: number } | undefined;
  private cancelSample = () => {};
  private cancelListen = () => {};

  constructor(private readonly parts: PageParts) {
    const { platform, settings, name } = parts;
    this.page = readPage(platform.files, platform.beside(PAGE_FILE), platform.crypto);
    const token = settings.tokenFile === undefined ? {} : { token: readToken(platform, settings.tokenFile) };
    this.guard = new Guard({ ...token, names: [name, ...settings.names] }, platform.crypto);
    this.live = new Live(platform.clock, platform.log, [
      { name: "now", everyMs: () => NOW_EVERY_MS, make: () => this.now() },
      { name: "slow", everyMs: () => this.slowEveryMs(), make: () => this.slow() },
    ]);
  }

  async start(): Promise<void> {
    const { platform, settings } = this.parts;
    const server = new HttpServer(platform.clock, (request) => this.answer(request));
    this.listener = await platform.listen(settings.listen, (stream) => server.accept(stream));
    this.cancelListen = this.parts.source.listen((event) => this.denied(event));
    await this.sample();
    const { address, port } = this.listener.local;
    platform.log.info(ROOM, "status page", { address, port, token: settings.tokenFile !== undefined });
  }

  close(): void {
    this.cancelSample();
    this.cancelListen();
    this.live.close();
    this.listener.close();
  }

  private async answer(request: Request): Promise<Answer | Endless> {
    const { guard, live } = this;
    if (!guard.isHostKnown(request)) return plain(421);
    // Says nothing of this access point: who asks for the token is the page itself.
    if (request.path === "/") return this.page;
    if (!guard.isAllowed(request)) return plain(401, { "WWW-Authenticate": 'Bearer realm="roamwall"' });
    switch (request.path) {
      case "/metrics":
        return { status: 200, type: EXPOSITION_TYPE, body: exposition(await this.parts.source.figures()) };
      case "/events":
        if (live.isFull) return plain(503);
        return { type: "text/event-stream", begin: (stream) => live.add(stream, this.first()) };
      default:
        return plain(404);
    }
  }

  private first(): First {
    return {
      samples: this.samples,
      denials: this.denials.map((denial) => this.lineOf(denial)),
      reasons: FIRST_REASONS,
    };
  }

  private async now(): Promise<Now> {
    const { platform, source } = this.parts;
    const { status, neighbours, usage } = await source.figures();
    const mesh = source.mesh();
    const atMs = platform.clock.nowMs();
    const before = this.usedBefore;
    if (usage) this.usedBefore = { atMs, cpuSeconds: usage.cpuSeconds };
    const share = before && usage && ((usage.cpuSeconds - before.cpuSeconds) * 1_000) / (atMs - before.atMs);
    return {
      atMs,
      status,
      neighbours,
      roams: source.roams(),
      denials: this.newDenials(),
      cpuShare: share ?? null,
      residentBytes: usage?.residentBytes ?? 0,
      ...(mesh && { mesh }),
    };
  }

  private newDenials(): DenialLine[] {
    const told = this.toldDenial;
    this.toldDenial = this.denialNumber;
    return this.denials.filter(({ number }) => number > told).map((denial) => this.lineOf(denial));
  }

  private denied(event: RingEvent): void {
    const { clock, wallSeconds } = this.parts.platform;
    const seconds = wallSeconds() ?? null;
    this.denials.push({ event, number: ++this.denialNumber, atMs: clock.nowMs(), seconds });
    if (this.denials.length > DENIALS_KEPT) this.denials.shift();
  }

  private lineOf({ event, number, atMs, seconds }: Denial): DenialLine {
    const role = roleOf(policySources(this.parts.source.policy()), macFromBytes(event.mac))?.role ?? null;
    return { ...verdictOf(event, role, seconds), number, atMs };
  }

  private async slow(): Promise<Slow> {
    const { source } = this.parts;
    const clients = await source.clients().catch(() => []);
    const table = source.table();
    return {
      clients: mostActive(clients),
      clientsAll: clients.length,
      rules: rulesOf(source.policy()),
      table: table ? tableView(table.geometry.text, table.cells) : null,
    };
  }

  private slowEveryMs(): number {
    const table = this.parts.source.table();
    return table ? scanEveryMs(table.geometry) : SAMPLE_EVERY_MS;
  }

  /** Also while nobody looks: who opens the page wants to see what was before. */
  private async sample(): Promise<void> {
    const { platform, source } = this.parts;
    const { datapath } = (await source.figures()).status;
    if (datapath) {
      const denied = Object.values(datapath.denied).reduce((sum, count) => sum + count, 0);
      const { passed, usedCells } = datapath;
      this.samples.push({ atMs: platform.clock.nowMs(), passed, denied, usedCells });
      if (this.samples.length > SAMPLES_MAX) this.samples.shift();
    }
    this.cancelSample = platform.clock.after(SAMPLE_EVERY_MS, () => void this.sample().catch(() => {}));
  }
}

/** One line of the second spelling may have become many rules. */
function rulesOf({ source }: CompiledPolicy): Record<string, string[]> {
  const texts = [...source.roles].map(([name, role]) => [name, [...new Set(role.rules.map(({ text }) => text))]]);
  return Object.fromEntries(texts);
}

/** Throws ROAMWALL_ERR_FILE or ROAMWALL_ERR_INPUT; never repeats the token. */
function readToken({ files }: Platform, path: string): string {
  const token = files.readText(path).split("\n")[0]!.trim();
  const accepted = `a first line of ${TOKEN_LENGTH_MIN} to 512 letters, digits or signs, as \`openssl rand -hex 24\` prints`;
  if (!/^[\x21-\x7e]{16,512}$/.test(token)) throw badInput(path, "no such token", accepted);
  const exposure = files.exposure(path);
  if (exposure !== undefined)
    throw badInput(path, `${exposure} lets others read it`, "mode 0600, owned by the agent's user or root");
  return token;
}
