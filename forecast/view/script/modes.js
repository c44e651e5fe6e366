// Forecasts, truth and past at one frame. Lines of one look are one path, made when the frame changes.

const LOOKS = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.01];

/** What a model says at a frame: paths by how probable, and dots every two seconds. */
function modePaths(model, frame, only) {
  const looks = LOOKS.map(() => ({ line: new Path2D(), dots: new Path2D(), used: false }));
  const every = Math.max(1, Math.round(MARKED_S / (model.lead[0] || 0.5)));
  for (const row of model.byFrame[frame] || []) {
    if (only !== null && row.agent !== only) continue;
    for (const mode of row.modes) {
      const look = looks[LOOKS.findIndex((limit) => mode.share < limit)] || looks[LOOKS.length - 1];
      look.used = true;
      addPath(look.line, mode, row.start);
      for (let k = every - 1; k < mode.x.length; k += every) addDot(look.dots, mode.x[k], mode.y[k]);
    }
  }
  return looks;
}

/** A line of next to no length: with round ends it is a dot, at a path's price. */
function addDot(path, x, y) {
  if (x !== x) return; // NaN: a lead that is not reached
  path.moveTo(x, y);
  path.lineTo(x + 0.01, y);
}

function addPath(path, { x, y }, start) {
  let drawn = start !== null;
  if (start) path.moveTo(start.x, start.y);
  for (let k = 0; k < x.length; k++) {
    if (x[k] !== x[k]) continue;
    path[drawn ? "lineTo" : "moveTo"](x[k], y[k]);
    drawn = true;
  }
}

function drawModes(context, looks, view, colour, dash, ratio, stronger) {
  view.inMetres(context, ratio);
  context.strokeStyle = colour;
  context.lineJoin = "round";
  const pixel = 1 / view.scale;
  looks.forEach(({ line, dots, used }, number) => {
    if (!used) return;
    const share = number ? (LOOKS[number - 1] + Math.min(1, LOOKS[number])) / 2 : 0.02;
    context.globalAlpha = opacityOf(share);
    context.lineWidth = (widthOf(share) + stronger) * pixel;
    context.setLineDash(dash.map((length) => length * pixel));
    context.stroke(line);
    context.setLineDash([]);
    context.lineCap = "round";
    context.lineWidth = (2.8 + 4 * share) * pixel;
    context.stroke(dots);
    context.lineCap = "butt";
  });
  context.globalAlpha = 1;
}

/** What agents did before a frame, and what those of which there is a forecast did after it. */
function truthPaths(scene, frame, asked, horizon, only) {
  const past = new Path2D();
  const future = new Path2D();
  const marks = [];
  const now = scene.time[frame];
  const between = (agent, from, to, path) => {
    let drawn = false;
    for (let k = from; k <= to; k++) {
      const at = agent.at[k];
      if (at < 0) continue;
      path[drawn ? "lineTo" : "moveTo"](agent.x[at], agent.y[at]);
      drawn = true;
    }
  };
  let first = frame;
  while (first > 0 && now - scene.time[first - 1] <= PAST_S + 1e-6) first--;
  let last = frame;
  while (last + 1 < scene.time.length && scene.time[last + 1] - now <= horizon + 1e-6) last++;
  for (const agent of scene.agents) {
    if (agent.at[frame] < 0 && !asked.has(agent.number)) continue;
    between(agent, first, frame, past);
    if (!asked.has(agent.number) || (only !== null && agent.number !== only)) continue;
    between(agent, frame, last, future);
    for (let k = frame + 1; k <= last; k++) {
      const whole = (scene.time[k] - now) / MARKED_S;
      if (agent.at[k] >= 0 && Math.abs(whole - Math.round(whole)) < 0.02) marks.push(agent.x[agent.at[k]], agent.y[agent.at[k]]);
    }
  }
  return { past, future, marks };
}

function drawTruth(context, { past, future, marks }, view, colours, ratio) {
  view.inMetres(context, ratio);
  const pixel = 1 / view.scale;
  context.strokeStyle = colours.other;
  context.lineWidth = 1.6 * pixel;
  context.setLineDash([1.5 * pixel, 2.5 * pixel]);
  context.stroke(past);
  context.strokeStyle = colours.truth;
  context.lineWidth = 1.1 * pixel;
  context.setLineDash([4 * pixel, 3 * pixel]);
  context.stroke(future);
  context.setLineDash([]);
  context.beginPath();
  const arm = 3 * pixel;
  for (let k = 0; k < marks.length; k += 2) {
    const [x, y] = [marks[k], marks[k + 1]];
    context.moveTo(x - arm, y - arm);
    context.lineTo(x + arm, y + arm);
    context.moveTo(x - arm, y + arm);
    context.lineTo(x + arm, y - arm);
  }
  context.stroke();
}

/** Shares of the chosen agent's modes, at their ends; `taken` are places of texts, where no other one is written. */
function drawShares(context, row, view, colours, ratio, taken) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const mode of [...row.modes].reverse()) {
    const last = mode.x.findLastIndex((value) => value === value);
    if (last < 0 || mode.share < 0.05) continue;
    const [left, top] = view.toScreen(mode.x[last], mode.y[last]);
    if (taken.some(([x, y]) => Math.abs(x - left) < 34 && Math.abs(y - top) < 13)) continue;
    taken.push([left, top]);
    writeOver(context, `${Math.round(100 * mode.share)} %`, left + 6, top, colours);
  }
}
