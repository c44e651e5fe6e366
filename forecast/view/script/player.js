// The state of the page, and the drawing of a moment.

//: Lines of so many models and frames are kept.
const MADE_AT_MOST = 400;

class Player {
  constructor(index, texts, canvas, find) {
    this.index = index;
    this.texts = texts;
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.find = find;
    this.view = new View();
    this.panel = new Panel(this, find);
    this.opened = new Map();
    this.shown = new Set(index.models.keys());
    this.scene = null;
    this.frame = 0;
    this.part = 0; // of the way to the next frame
    this.playing = false;
    this.speed = 1;
    this.chosen = null;
    this.following = false;
    this.onlyMine = false;
    this.attentionShown = index.attention !== null;
    this.pointTime = null;
    this.colours = themeColours();
    this.paths = null;
    this.made = new Map(); // lines of models at frames
    this.due = false; // whether the figures are behind the frame
    this.pending = false;
  }

  get now() {
    return this.scene.time[this.frame];
  }

  get lastFrame() {
    return this.scene.time.length - 1;
  }

  get visible() {
    return [...this.shown].sort((one, other) => one - other);
  }

  get chosenAgent() {
    return this.chosen === null ? null : this.scene.agents[this.chosen];
  }

  /** Agents in the order of the list: those that are forecast first, the most often seen first. */
  get listed() {
    const seen = (agent) => agent.last - agent.first;
    const forecast = (agent) => Number(this.asked(agent.number));
    return [...this.scene.agents].sort((one, other) => forecast(other) - forecast(one) || seen(other) - seen(one));
  }

  /** The first frame at which anybody is forecast: there is something to see. */
  get firstForecast() {
    const at = (frame) => this.scene.models.some((model) => model.byFrame[frame].length > 0);
    return Math.max([...this.scene.time.keys()].findIndex(at), 0);
  }

  /** Whether any model forecasts an agent in this scene. */
  asked(agent) {
    return this.scene.askedAtAll.has(agent);
  }

  rowOf(model, agent) {
    return this.scene.models[model].byFrame[this.frame].find((row) => row.agent === agent) || null;
  }

  /** The chosen agent's forecast of which it is shown where it looks; null where there is none. */
  get attentionRow() {
    const { attention } = this.index;
    if (!this.attentionShown || this.chosen === null || !this.shown.has(attention)) return null;
    return this.rowOf(attention, this.chosen);
  }

  showAttention(on) {
    if (this.index.attention === null) return;
    this.attentionShown = on;
    this.find("attention").checked = on;
    this.changed();
  }

  pointIn(points) {
    return points.find((point) => Math.abs(point.time - this.pointTime) < 1e-3) || null;
  }

  async open(number) {
    this.pause();
    const turn = (this.turn = (this.turn || 0) + 1);
    if (!this.opened.has(number)) {
      this.tell("reading the scene …");
      const told = JSON.parse(this.texts[number].textContent);
      this.opened.set(number, await openScene(told, this.index.units));
    }
    if (turn !== this.turn) return; // another one was chosen meanwhile
    this.tell("");
    this.number = number;
    this.scene = this.opened.get(number);
    if (!this.scene.askedAtAll) {
      this.scene.askedAtAll = new Set(this.scene.models.flatMap((model) => model.byFrame.flat().map((row) => row.agent)));
    }
    this.ground = new Ground(this.scene);
    this.made.clear();
    this.chosen = null;
    this.follow(false);
    this.frame = 0;
    this.part = 0;
    this.find("scenes").value = String(number);
    const slider = this.find("slider");
    slider.max = this.lastFrame;
    this.panel.fillAgents();
    this.panel.fillLegend();
    this.paths = null;
    this.resized(); // the legend may have taken room
    this.fit();
    this.go(this.firstForecast);
  }

  tell(text) {
    this.find("notice").hidden = !text;
    this.find("notice").textContent = text;
  }

  /** Goes to a frame. */
  go(frame) {
    this.frame = Math.min(this.lastFrame, Math.max(0, frame));
    this.part = 0;
    this.changed();
  }

  /** What follows from another frame, model or agent. */
  changed() {
    this.paths = null;
    const slider = this.find("slider");
    slider.value = this.frame;
    slider.setAttribute("aria-valuetext", `frame ${this.frame + 1} of ${this.lastFrame + 1}, ${seconds(this.now)}`);
    this.find("clock").textContent = `${seconds(this.now)} · ${this.frame + 1}/${this.lastFrame + 1}`;
    this.movePoint();
    this.due = true;
    if (!this.playing) this.showFigures();
    this.ask();
  }

  showFigures() {
    this.due = false;
    this.panel.fillFigures();
  }

  play() {
    if (this.frame >= this.lastFrame) this.go(0);
    this.playing = true;
    this.before = null;
    this.showPlaying();
    this.ask();
  }

  pause() {
    this.playing = false;
    if (this.due) this.showFigures();
    this.showPlaying();
  }

  showPlaying() {
    const button = this.find("play");
    button.textContent = this.playing ? "❚❚" : "▶";
    button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
  }

  /** Lets time pass: milliseconds of the browser's clock. */
  pass(clock) {
    const passed = this.before === null ? 0 : Math.min(0.25, (clock - this.before) / 1000) * this.speed;
    this.before = clock;
    const { time } = this.scene;
    let at = this.now + this.part * ((time[this.frame + 1] ?? this.now) - this.now) + passed;
    let frame = this.frame;
    while (frame < this.lastFrame && time[frame + 1] <= at + 1e-9) frame++;
    this.part = frame < this.lastFrame ? (at - time[frame]) / (time[frame + 1] - time[frame]) : 0;
    if (frame !== this.frame) {
      this.frame = frame;
      this.changed();
    }
    if (frame >= this.lastFrame) this.pause();
  }

  show(model, on) {
    this.shown[on ? "add" : "delete"](model);
    const box = this.find("models").querySelector(`[data-model="${model}"]`);
    box.checked = on;
    this.changed();
  }

  choose(agent) {
    this.chosen = agent;
    this.pointTime = null;
    if (agent === null) this.follow(false);
    this.panel.showChosen();
    this.changed();
    const found = this.chosenAgent;
    this.find("said").textContent = found ? `${agentWords(found)} chosen` : "no agent chosen";
  }

  /** The next or previous agent of the list that is seen now. */
  chooseNext(way) {
    const here = this.listed.filter((agent) => agent.at[this.frame] >= 0);
    if (!here.length) return;
    const at = here.findIndex((agent) => agent.number === this.chosen);
    const next = at < 0 ? (way > 0 ? 0 : here.length - 1) : (at + way + here.length) % here.length;
    this.choose(here[next].number);
  }

  /** Times of all points of the chosen agent that some visible model speaks of. */
  pointTimes() {
    if (this.chosen === null) return [];
    const times = this.visible.flatMap((number) => this.scene.models[number].points[this.chosen].map((point) => point.time));
    return [...new Set(times)].sort((one, other) => one - other);
  }

  choosePoint(time) {
    const times = this.pointTimes();
    if (!times.length) return;
    this.pointTime = times.reduce((best, one) => (Math.abs(one - time) < Math.abs(best - time) ? one : best));
    this.pointHeld = true;
    this.changed();
  }

  nextPoint(way) {
    const times = this.pointTimes();
    const at = times.findIndex((time) => Math.abs(time - this.pointTime) < 1e-3);
    if (at >= 0) this.choosePoint(times[Math.min(times.length - 1, Math.max(0, at + way))]);
  }

  /** Keeps the point until it has come; then the one that is forecast from now on. */
  movePoint() {
    const times = this.pointTimes();
    if (!times.length) {
      this.pointTime = null;
      return;
    }
    const reach = Math.max(...this.visible.map((number) => this.scene.models[number].lead.at(-1) || 0));
    const kept = this.pointTime !== null && times.includes(this.pointTime);
    const near = kept && this.now <= this.pointTime + MARKED_S && this.pointTime <= this.now + reach + 1e-6;
    if (near || (kept && this.pointHeld)) return;
    this.pointHeld = false;
    const wanted = this.now + 0.75 * reach;
    this.pointTime = times.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best));
  }

  follow(on) {
    this.following = on && this.chosen !== null;
    this.find("follow").setAttribute("aria-pressed", String(this.following));
    this.ask();
  }

  async jump({ scene, agent, frame }, model) {
    if (this.number !== scene) await this.open(scene);
    this.pause();
    if (!this.shown.has(model)) this.show(model, true);
    this.frame = frame;
    this.part = 0;
    this.choose(agent);
    this.frameAgent(model);
  }

  /** Shows the chosen agent, what it does and what is forecast of it. */
  frameAgent(model) {
    const pose = poseOf(this.chosenAgent, this.frame);
    const row = this.rowOf(model, this.chosen);
    const points = pose ? [[pose.x, pose.y]] : [];
    for (const mode of row ? row.modes : []) mode.x.forEach((x, k) => x === x && points.push([x, mode.y[k]]));
    const agent = this.chosenAgent;
    for (let k = this.frame; k <= this.lastFrame && this.scene.time[k] - this.now <= 8; k++) {
      if (agent.at[k] >= 0) points.push([agent.x[agent.at[k]], agent.y[agent.at[k]]]);
    }
    this.fitTo(points, 12);
  }

  fit() {
    const { agents } = this.scene;
    const points = [];
    for (const agent of agents) {
      if (!agent.ego && !this.asked(agent.number) && this.scene.askedAtAll.size) continue;
      agent.at.forEach((at) => at >= 0 && points.push([agent.x[at], agent.y[at]]));
    }
    this.fitTo(points, 10);
  }

  fitTo(points, margin) {
    if (!points.length) return;
    const low = [0, 1].map((axis) => points.reduce((least, point) => Math.min(least, point[axis]), Infinity) - margin);
    const high = [0, 1].map((axis) => points.reduce((most, point) => Math.max(most, point[axis]), -Infinity) + margin);
    this.view.fit(low, high);
    this.ask();
  }

  resized() {
    const box = this.canvas.getBoundingClientRect();
    this.ratio = Math.min(2, window.devicePixelRatio || 1);
    this.view.width = Math.max(1, Math.round(box.width));
    this.view.height = Math.max(1, Math.round(box.height));
    this.canvas.width = this.view.width * this.ratio;
    this.canvas.height = this.view.height * this.ratio;
    if (this.scene) this.draw();
  }

  recoloured() {
    this.colours = themeColours();
    if (this.ground) this.ground.forget();
    this.ask();
  }

  /** Draws with the browser's next frame. */
  ask() {
    if (this.pending || !this.scene) return;
    this.pending = true;
    requestAnimationFrame((clock) => {
      this.pending = false;
      const frame = this.frame;
      if (this.playing) this.pass(clock);
      this.draw();
      if (!this.playing) return;
      if (this.frame === frame) this.prepare();
      this.ask();
    });
  }

  /** Everybody who is seen now, and where. */
  poses() {
    const found = [];
    for (const agent of this.scene.agents) {
      const pose = poseBetween(agent, this.frame, this.part);
      if (pose) found.push([agent, pose]);
    }
    return found;
  }

  /** What one animation frame of a playing page has time for besides drawing: the figures, or lines of the next frame. */
  prepare() {
    if (this.due) {
      this.showFigures();
      return;
    }
    if (this.frame >= this.lastFrame) return;
    const missing = this.visible.find((number) => !this.made.has(this.keyOf(number, this.frame + 1)));
    if (missing !== undefined) this.modesAt(missing, this.frame + 1);
  }

  get only() {
    return this.onlyMine ? this.chosen ?? -1 : null;
  }

  keyOf(number, frame) {
    return `${number} ${frame} ${this.only}`;
  }

  /** Lines of a model at a frame, made once. */
  modesAt(number, frame) {
    const key = this.keyOf(number, frame);
    if (!this.made.has(key)) {
      if (this.made.size > MADE_AT_MOST) this.made.clear();
      this.made.set(key, modePaths(this.scene.models[number], frame, this.only));
    }
    return this.made.get(key);
  }

  /** Lines of this frame, made once. */
  framePaths() {
    if (this.paths) return this.paths;
    const { only } = this;
    const asked = new Set();
    for (const model of this.scene.models) for (const row of model.byFrame[this.frame]) asked.add(row.agent);
    const horizon = Math.max(0, ...this.scene.models.map((model) => model.lead.at(-1) || 0)) || 6;
    this.paths = {
      asked,
      truth: truthPaths(this.scene, this.frame, asked, horizon, only),
      modes: this.visible.map((number) => ({ number, looks: this.modesAt(number, this.frame) })),
      mine: this.chosen === null ? [] : this.visible.map((number) => ({ number, looks: modePaths(this.scene.models[number], this.frame, this.chosen) })),
    };
    return this.paths;
  }

  draw() {
    const { context, view, colours, ratio } = this;
    const poses = this.poses();
    const chosen = poses.find(([agent]) => agent.number === this.chosen);
    if (this.following && chosen) [view.x, view.y] = [chosen[1].x, chosen[1].y];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.ground.draw(context, view, colours, ratio);
    const looking = this.attentionRow;
    if (looking) drawAttention(context, looking, view, colours, ratio);
    const paths = this.framePaths();
    drawTruth(context, paths.truth, view, colours, ratio);
    for (const { number, looks } of paths.modes) this.drawModel(number, looks, 0);
    drawAgents(context, poses, view, colours, ratio, paths.asked);
    for (const { number, looks } of paths.mine) this.drawModel(number, looks, 1.2);
    if (chosen) this.drawChosen(chosen[1]);
    if (this.chosen !== null) this.drawChosenPoint();
    drawScaleBar(context, view, colours, ratio);
  }

  drawModel(number, looks, stronger) {
    const colour = this.colours.models[number % MODEL_COLOURS];
    drawModes(this.context, looks, this.view, colour, dashOf(number), this.ratio, stronger);
  }

  drawChosen(pose) {
    const { context, view, colours, ratio } = this;
    const [length, width] = drawnSize(this.chosenAgent, view.scale);
    view.inMetres(context, ratio);
    context.setLineDash([]);
    for (const [line, colour] of [[5, colours.page], [2.2, colours.halo]]) {
      context.lineWidth = line / view.scale;
      context.strokeStyle = colour;
      context.beginPath();
      context.arc(pose.x, pose.y, Math.hypot(length, width) / 2 + 5 / view.scale, 0, 2 * Math.PI);
      context.stroke();
    }
    const taken = [];
    for (const number of this.visible) {
      const row = this.rowOf(number, this.chosen);
      if (row) drawShares(context, row, view, colours, ratio, taken);
    }
  }

  drawChosenPoint() {
    let found = null;
    for (const number of this.visible) {
      const model = this.scene.models[number];
      const point = this.pointIn(model.points[this.chosen]);
      if (!point) continue;
      found = point;
      const colour = this.colours.models[number % MODEL_COLOURS];
      drawSaid(this.context, point, model, this.now, this.view, colour, this.colours, this.ratio);
    }
    if (found) drawPoint(this.context, found, this.view, this.colours, this.ratio);
  }
}

/** A bar of a round number of metres, at the lower left. */
function drawScaleBar(context, view, colours, ratio) {
  const wanted = 110 / view.scale;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const metres = [5, 2, 1].map((part) => part * power).find((length) => length <= wanted);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.setLineDash([]);
  const [left, top] = [14, view.height - 14];
  for (const [width, colour] of [[5, colours.page], [2, colours.text]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(left, top - 5);
    context.lineTo(left, top);
    context.lineTo(left + metres * view.scale, top);
    context.lineTo(left + metres * view.scale, top - 5);
    context.stroke();
  }
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "bottom";
  writeOver(context, `${metres} m, north up`, left + 6, top - 7, colours);
}
