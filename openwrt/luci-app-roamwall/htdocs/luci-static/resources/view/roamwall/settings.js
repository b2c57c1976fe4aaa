"use strict";
"require view";
"require form";
"require roamwall.options as options";

/* One row of /etc/config/roamwall: what is accepted decides the widget, and the text below it is the documentation's. */
function addOption(section, row) {
	const title = row.name.replaceAll("_", " ");
	const hint = _("Accepted: %s. Default: %s.").format(row.form, row.default);
	let option;

	if (row.isSwitch)
		option = section.option(form.Flag, row.name, title, row.effect);
	else if (row.isList)
		option = section.option(form.DynamicList, row.name, title, "%s %s".format(row.effect, hint));
	else if (row.choices)
		option = section.option(form.ListValue, row.name, title, "%s %s".format(row.effect, hint));
	else
		option = section.option(form.Value, row.name, title, "%s %s".format(row.effect, hint));

	if (row.choices) {
		option.value("", _("default"));
		for (const choice of row.choices) option.value(choice, choice);
	}
	if (row.isSwitch) option.default = row.default;
	else option.placeholder = row.default === "-" ? "" : row.default;
	if (row.range) option.datatype = "range(%d,%d)".format(row.range[0], row.range[1]);
	option.optional = true;
	option.rmempty = !row.isSwitch;
}

return view.extend({
	render() {
		const map = new form.Map(
			"roamwall",
			_("Roamwall"),
			_("A broken setting changes nothing: the last good ones stay in force, and the log says why.")
		);

		for (const name of options.sections) {
			const section =
				name === "port"
					? map.section(form.GridSection, name, _("Client ports"))
					: map.section(form.NamedSection, name, name, name);
			section.anonymous = name === "port";
			section.addremove = name === "port";
			for (const row of options.rows.filter((one) => one.section === name)) addOption(section, row);
		}
		return map.render();
	}
});
