"use strict";
"require view";
"require rpc";
"require poll";
"require dom";

/* What the agent does not answer comes as the fallback, which must be of the answer's type. */
const ask = (method, fallback) => rpc.declare({ object: "roamwall", method, expect: { value: fallback } });
const callStatus = ask("status", {});
const callClients = ask("clients", []);
const callNeighbours = ask("neighbours", []);
const callDenied = ask("denied", []);

const LAST_DENIED = 20;

function table(title, head, rows) {
	if (rows.length === 0) return E("div", {}, [E("h3", {}, title), E("em", {}, _("none"))]);
	return E("div", {}, [
		E("h3", {}, title),
		E("table", { class: "table" }, [
			E("tr", { class: "tr table-titles" }, head.map((text) => E("th", { class: "th" }, text))),
			...rows.map((row) => E("tr", { class: "tr" }, row.map((cell) => E("td", { class: "td" }, String(cell)))))
		])
	]);
}

/* As LuCI shows memory: the bar is the share of cells that are in use. */
function fill(used, cells) {
	const percent = cells ? Math.round((100 * used) / cells) : 0;
	return E("div", { class: "cbi-progressbar", title: "%d / %d (%d%%)".format(used, cells, percent) }, [
		E("div", { style: "width:%d%%".format(percent) })
	]);
}

function summary(status) {
	const { datapath } = status;
	const rows = [
		[_("Access point"), "%s (%d)".format(status.name, status.id)],
		[_("Mode"), status.mode],
		[_("Policy"), _("%d roles, %d clients").format(status.policy.roles, status.policy.clients)]
	];
	if (status.policy.problem) rows.push([_("Refused"), status.policy.problem]);
	if (datapath) {
		rows.push([_("Expectations"), fill(datapath.usedCells, datapath.cells)]);
		rows.push([_("Passed"), _("%d packets").format(datapath.passed)]);
	}
	return E(
		"table",
		{ class: "table" },
		rows.map(([name, value]) =>
			E("tr", { class: "tr" }, [E("td", { class: "td left", width: "33%" }, name), E("td", { class: "td left" }, value)])
		)
	);
}

function risks(found) {
	return found.map(({ severity, finding, remedy }) =>
		E("div", { class: severity === "high" ? "alert-message danger" : "alert-message warning" }, [
			E("strong", {}, finding),
			E("div", {}, remedy)
		])
	);
}

function clientRow(client) {
	const { mac, role, here, revoked, passed, denied, cells } = client;
	return [mac, revoked ? _("revoked") : role || "-", here ? _("here") : _("elsewhere"), passed, denied, cells];
}

function neighbourRow({ name, id, state, fill: share, lagMs }) {
	return [name || "-", id, state, "%d%%".format(Math.round(100 * share)), "%d ms".format(lagMs)];
}

function deniedRow({ mac, reason, direction, client, peer, proto }) {
	return [mac, reason, direction, client || "-", peer || "-", proto];
}

return view.extend({
	load() {
		return Promise.all([callStatus(), callClients(), callNeighbours(), callDenied()]);
	},

	render(loaded) {
		const page = E("div", {}, this.parts(loaded));
		poll.add(() => this.load().then((next) => dom.content(page, this.parts(next))));
		return page;
	},

	parts([status, clients, neighbours, denied]) {
		const title = E("h2", {}, _("Roamwall"));
		if (!status.name) return [title, E("div", { class: "alert-message warning" }, _("The agent does not answer: is it enabled?"))];
		const waiting = status.datapath
			? []
			: [E("div", { class: "alert-message danger" }, _("roamwalld does not answer. An eBPF filter goes on by the last policy."))];
		const counts = Object.entries(status.datapath ? status.datapath.denied : {});
		return [
			title,
			...waiting,
			...risks(status.risks),
			summary(status),
			table(_("Clients"), [_("MAC"), _("Role"), _("Where"), _("Passed"), _("Denied"), _("Cells")], clients.map(clientRow)),
			table(_("Neighbours"), [_("Name"), _("Id"), _("State"), _("Fill"), _("Behind")], neighbours.map(neighbourRow)),
			table(_("Denied, by reason"), [_("Reason"), _("Packets")], counts),
			table(
				_("Denied last"),
				[_("MAC"), _("Reason"), _("Direction"), _("Client"), _("Peer"), _("Protocol")],
				denied.slice(-LAST_DENIED).reverse().map(deniedRow)
			)
		];
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
