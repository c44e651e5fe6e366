// What stands beside the picture: models, the chosen agent and its figures, worst cases, the legend.

class Panel {
  constructor(player, find) {
    this.player = player;
    this.find = find;
  }

  fillModels() {
    const { index, shown } = this.player;
    this.find("models").replaceChildren(...index.models.map((name, number) => {
      const box = element("input", { type: "checkbox", "data-model": number });
      box.checked = shown.has(number);
      box.addEventListener("change", () => this.player.show(number, box.checked));
      return element("label", {}, box, sample(number), name);
    }));
    const options = index.models.map((name, number) => element("option", { value: number }, name));
    this.find("worst-of").replaceChildren(...options);
  }

  fillScenes() {
    this.find("scenes").replaceChildren(...this.player.index.scenes.map(({ name, place }, number) =>
      element("option", { value: number }, place && place !== name ? `${name}, ${place}` : name)));
  }

  fillAgents() {
    const list = [element("option", { value: "-1" }, "none chosen")];
    for (const agent of this.player.listed) {
      const told = this.player.asked(agent.number) ? "" : " (not forecast)";
      list.push(element("option", { value: agent.number }, agentWords(agent) + told));
    }
    this.find("agents").replaceChildren(...list);
    this.showChosen();
  }

  showChosen() {
    const { chosen, index } = this.player;
    this.find("agents").value = String(chosen === null ? -1 : chosen);
    this.find("attention-switch").hidden = chosen === null || index.attention === null;
  }

  fillWorst() {
    const model = Number(this.find("worst-of").value) || 0;
    const { index } = this.player;
    const cases = index.worst[model] || [];
    const entries = cases.map((one) => {
      const button = element("button", { type: "button" },
        element("span", {}, `${index.scenes[one.scene].name}, ${seconds(one.time_s)}, ${shortened(one.what)}`),
        element("b", {}, `${one.error_m.toFixed(1)} m`));
      button.addEventListener("click", () => {
        for (const other of this.find("worst").querySelectorAll("button")) other.removeAttribute("aria-current");
        button.setAttribute("aria-current", "true");
        this.player.jump(one, model);
      });
      return element("li", {}, button);
    });
    const none = element("li", { class: "note" }, "No forecast reaches its last step with a known truth.");
    this.find("worst").replaceChildren(...(entries.length ? entries : [none]));
  }

  /** Whose attention the page holds, if anybody's. */
  fillAttention() {
    const { attention, models } = this.player.index;
    this.find("attention-key").hidden = attention === null;
    this.find("attention-of").textContent = attention !== null && models.length > 1 ? ` (${models[attention]})` : "";
  }

  fillLegend() {
    const drawn = new Set(this.player.scene.agents.map((agent) => agent.kind));
    const entries = [...drawn].sort().map((kind) => {
      const agent = { kind, number: 0, length: 0, width: 0 };
      return [kindSample(agent), KINDS[kind]];
    });
    const usual = [0, 4].find((kind) => drawn.has(kind));
    if (usual !== undefined) entries.push([kindSample({ kind: usual, hollow: true }), "not forecast"]);
    if (this.player.scene.agents.some((agent) => agent.ego)) entries.push([kindSample({ kind: 0, ego: true }), "ego vehicle"]);
    entries.push([lineSample("4 3", "truth", 1.2), "truth, crosses every 2 s"], [lineSample("1.5 2.5", "other", 1.6), "last 2 s"]);
    if (this.player.index.attention !== null) entries.push([attentionSample(), "where the chosen agent's forecast looks"]);
    entries.push([null, "thicker: more probable; dots every 2 s; modes under 2 % left out"]);
    this.find("legend").replaceChildren(...entries.map(([picture, text]) => element("li", {}, ...(picture ? [picture] : []), text)));
  }

  fillFigures() {
    const { player } = this;
    const place = this.find("figures");
    const agent = player.chosenAgent;
    if (!agent) {
      place.replaceChildren(element("p", { class: "note" }, "Choose an agent: what its successive forecasts said of each point of its track is then shown as time plays."));
      return;
    }
    const models = player.visible.map((number) => ({ number, model: player.scene.models[number], points: player.scene.models[number].points[agent.number] }));
    const some = models.filter(({ points }) => points.length);
    const parts = [];
    const row = player.attentionRow;
    if (row) parts.push(element("p", { class: "note", id: "attention-words" }, attentionWords(row.attention)));
    parts.push(errorTable(player, agent));
    for (const { number, model } of models) if (model.gap) parts.push(element("p", { class: "note warn" }, `${player.index.models[number]}: no D and C: ${model.gap}`));
    if (some.length) {
      const choose = (time) => player.choosePoint(time);
      parts.push(pointTable(player, some), meanTable(player, some));
      parts.push(element("h3", {}, "Dispersion D of the points at t̂"), chart("Dispersion", "m", "dispersion", some, player, choose));
      const range = `C(${player.index.range_m} m)`;
      parts.push(element("h3", {}, `Convergence ${range}`), chart(range, "s", "convergence", some, player, choose));
      parts.push(element("p", { class: "note" }, "Filled: all forecasts of the point have been issued, the published metric. Hollow: over those issued so far. Dashed: now."));
    } else parts.push(element("p", { class: "note" }, "No point of its track was forecast, so there is no D and C."));
    place.replaceChildren(...parts);
  }
}

/** What the newest forecasts of the chosen agent say, and how far they are off. */
function errorTable(player, agent) {
  const rows = player.visible.map((number) => {
    const row = player.rowOf(number, agent.number);
    const likeliest = row && row.modes[row.modes.length - 1];
    const cells = row
      ? [`${Math.round(100 * likeliest.share)} %`, row.error === row.error ? `${row.error.toFixed(2)} m` : "–"]
      : ["–", "–"];
    return [player.index.models[number], ...cells];
  });
  return table("The forecast issued now", ["", "likeliest mode", "its FDE"], rows);
}

function pointTable(player, models) {
  const rows = models.map(({ number, model, points }) => {
    const point = player.pointIn(points);
    const known = point && soFar(point, model, player.now);
    const cells = known
      ? [`${known.issued} of ${model.steps}`, known.dispersion === known.dispersion ? `${known.dispersion.toFixed(3)} m` : "–",
          known.convergence === known.convergence ? `${known.convergence.toFixed(1)} s` : "–"]
      : ["0", "–", "–"];
    return [player.index.models[number], ...cells];
  });
  const made = table(`The point at t̂ = ${seconds(player.pointTime)}`, ["", "forecasts", "D", `C(${player.index.range_m} m)`], rows);
  made.id = "point-figures";
  return made;
}

function meanTable(player, models) {
  const rows = models.map(({ number, model, points }) => {
    const means = meansSoFar(points, model, player.now);
    const cells = means.count ? [String(means.count), `${means.dispersion.toFixed(3)} m`, `${means.convergence.toFixed(3)} s`] : ["0", "–", "–"];
    return [player.index.models[number], ...cells];
  });
  const made = table("Mean over its points up to now", ["", "points", "D", `C(${player.index.range_m} m)`], rows);
  made.id = "mean-figures";
  return made;
}

function table(caption, heads, rows) {
  const cells = (row, head) => row.map((text, k) => element(head || !k ? "th" : "td", { scope: head ? "col" : !k ? "row" : "" }, text));
  return element("table", {}, element("caption", {}, caption), element("thead", {}, element("tr", {}, ...cells(heads, true))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row, false)))));
}

function lineSample(dash, colour, width) {
  const line = element("line", { x1: 1, x2: 25, y1: 6, y2: 6, "stroke-width": width, "stroke-dasharray": dash });
  line.style.stroke = `var(--${colour})`;
  return element("svg", { width: 26, height: 12, "aria-hidden": "true" }, line);
}

/** A small picture of a kind of agent, drawn with the outline that the canvas draws. */
function kindSample(agent) {
  const words = [];
  const path = {
    moveTo: (x, y) => words.push(`M${x.toFixed(1)} ${y.toFixed(1)}`),
    lineTo: (x, y) => words.push(`L${x.toFixed(1)} ${y.toFixed(1)}`),
    closePath: () => words.push("Z"),
    arc: (x, y, radius) => words.push(`A${radius} ${radius} 0 1 1 ${(x - radius).toFixed(1)} ${y}A${radius} ${radius} 0 1 1 ${(x + radius).toFixed(1)} ${y}`),
  };
  const sizes = { 0: [18, 9], 1: [9, 9], 2: [14, 7], 3: [9, 9], 4: [10, 10] };
  const [length, width] = sizes[agent.kind];
  const drawn = { kind: agent.kind, ego: agent.ego, length, width };
  const pose = { x: 11, y: 7, heading: 0 };
  addOutline(path, drawn, pose, 100);
  const outline = element("path", { d: words.join(""), "stroke-width": 1.3 });
  words.length = 0;
  addMark(path, drawn, pose, 100);
  const mark = element("path", { d: words.join("") || "M0 0", fill: "none", "stroke-width": 1.2 });
  const filled = !agent.hollow && [0, 2, 4].includes(agent.kind);
  outline.style.fill = agent.ego ? "var(--ego)" : filled ? "var(--target)" : "var(--page)";
  outline.style.stroke = filled ? "none" : "var(--target)";
  mark.style.stroke = filled && agent.kind !== 4 ? "var(--page)" : "var(--target)";
  return element("svg", { width: 22, height: 14, "aria-hidden": "true" }, outline, mark);
}
