import { showClients } from "./clients.ts";
import { Connection, type State } from "./connection.ts";
import { showDenied } from "./denied.ts";
import { find, setAttribute, setText } from "./dom.ts";
import { showFigures } from "./figures.ts";
import { showMesh } from "./mesh.ts";
import { Model } from "./model.ts";
import { showNeighbours } from "./neighbours.ts";
import { showProblems } from "./problems.ts";
import { showRoams } from "./roams.ts";
import { showTable } from "./table.ts";
import { showTraffic } from "./traffic.ts";

const model = new Model();
const pause = find<HTMLButtonElement>("#pause");
const login = find<HTMLFormElement>("#login");
let isPaused = false;

const connection = new Connection(
  {
    first: (first) => model.first(first),
    now(now) {
      model.take(now);
      if (!isPaused) show();
    },
    slow(slow) {
      model.slow = slow;
      if (!isPaused) showSlow();
    },
  },
  showState,
);

function show(): void {
  const { now } = model;
  if (!now) return;
  const views = find("#views");
  if (views.hidden) {
    views.hidden = false;
    performance.mark("roamwall-first-view");
  }
  showProblems(now);
  showFigures(model);
  showTraffic(model.samples, now.atMs);
  showNeighbours(now);
  showDenied(model);
  showRoams(now);
  showMesh(now);
}

function showSlow(): void {
  if (!model.slow) return;
  showClients(model.slow);
  showTable(model.slow);
}

function showState(state: State, text: string): void {
  login.hidden = state !== "token";
  const element = find("#state");
  setAttribute(element, "data-state", state);
  setText(
    element,
    state === "lost" ? `${text}, trying again` : state === "token" ? "token needed" : isPaused ? "paused" : text,
  );
  if (state !== "token") return;
  find("#views").hidden = true;
  if (text) setText(find("#login-text"), text);
  find<HTMLInputElement>("#token").focus();
}

pause.addEventListener("click", () => {
  isPaused = !isPaused;
  setAttribute(pause, "aria-pressed", String(isPaused));
  showState("live", "live");
  if (isPaused) return;
  show();
  showSlow();
});

login.addEventListener("submit", (event) => {
  event.preventDefault();
  connection.setToken(find<HTMLInputElement>("#token").value.trim());
});

void connection.open();
