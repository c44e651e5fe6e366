// Dispersion D and convergence C of the points of one track, over the forecasts issued so far.
// All figures come from the package; the page only chooses the column of "so far".

/** Column of a point's figures at a time: the newest forecast issued by then is `column + 1` steps before the point. */
function columnAt(point, model, now) {
  const ahead = (point.time - now) / model.step;
  return Math.max(0, Math.ceil(ahead - 0.1) - 1);
}

/** What is known of a point by now; null where nothing is yet. */
function soFar(point, model, now) {
  const column = columnAt(point, model, now);
  if (column >= model.steps) return null;
  let issued = 0;
  for (let k = column; k < model.steps; k++) if (point.offX[k] === point.offX[k]) issued++;
  if (!issued) return null;
  const finished = column === 0 && point.complete;
  return {
    issued,
    finished,
    dispersion: finished ? point.metric : point.dispersion[column],
    convergence: point.convergence[column],
    column,
  };
}

/** Means over the points that every forecast has been issued for, as the published metrics take them. */
function meansSoFar(points, model, now) {
  let count = 0;
  let dispersion = 0;
  let convergence = 0;
  for (const point of points) {
    const known = soFar(point, model, now);
    if (!known || !known.finished) continue;
    count++;
    dispersion += known.dispersion;
    convergence += known.convergence;
  }
  return count ? { count, dispersion: dispersion / count, convergence: convergence / count } : { count: 0 };
}

const CHART = { width: 340, height: 118, left: 34, right: 8, top: 8, bottom: 22 };

/** A chart of one figure against the time of the point; hollow: still growing. */
function chart(title, unit, key, models, player, choose) {
  const { width, height, left, right, top, bottom } = CHART;
  const times = player.scene.time;
  const end = Math.max(times[times.length - 1], 1);
  const series = models.map(({ number, model, points }) => ({
    number,
    known: points.map((point) => ({ point, known: soFar(point, model, player.now) })).filter(({ known }) => known && known[key] === known[key]),
  }));
  const most = Math.max(1, ...models.flatMap(({ points }) => points.map((point) => Math.max(...point[key].filter((value) => value === value), 0))));
  const across = (time) => left + ((width - left - right) * time) / end;
  const up = (value) => height - bottom - ((height - top - bottom) * value) / most;
  const picture = element("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": `${title} of each point of the track by now` });
  const line = (x1, y1, x2, y2, name) => picture.append(element("line", { x1, y1, x2, y2, class: name }));
  const word = (x, y, text, anchor) => picture.append(element("text", { x, y, "text-anchor": anchor }, text));
  line(left, up(0), width - right, up(0), "axis");
  line(left, top, left, up(0), "axis");
  word(left - 4, up(0) + 3, "0", "end");
  word(left - 4, up(most) + 8, most < 10 ? most.toFixed(1) : String(Math.round(most)), "end");
  word(left + 4, top + 8, unit, "start");
  const tick = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((length) => end / length <= 6) || end;
  for (let at = 0; at <= end; at += tick) word(across(at), height - 8, String(at), "middle");
  word(width - right, up(0) - 4, "t̂, s", "end");
  if (player.pointTime !== null) line(across(player.pointTime), top, across(player.pointTime), up(0), "chosen");
  line(across(player.now), top, across(player.now), up(0), "now");
  for (const { number, known } of series) addSeries(picture, known, key, number, across, up);
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    choose((((event.clientX - box.left) / box.width) * width - left) / (width - left - right) * end);
  });
  return picture;
}

function addSeries(picture, known, key, number, across, up) {
  const colour = colourVariable(number);
  let way = "";
  let before = null;
  for (const { point, known: found } of known) {
    const joined = before !== null && point.frame === before + 1;
    way += `${joined ? "L" : "M"}${across(point.time).toFixed(1)} ${up(found[key]).toFixed(1)}`;
    before = point.frame;
  }
  const path = element("path", { d: way || "M0 0", fill: "none", "stroke-width": 1.4, "stroke-dasharray": dashOf(number).join(" ") });
  path.style.stroke = colour;
  picture.append(path);
  for (const finished of [true, false]) {
    const some = known.filter(({ known: found }) => found.finished === finished);
    const round = ({ point, known: found }) => `M${(across(point.time) - 2.5).toFixed(1)} ${up(found[key]).toFixed(1)}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0`;
    const dots = element("path", { d: some.map(round).join("") || "M0 0", "stroke-width": 1.2 });
    dots.style.stroke = colour;
    dots.style.fill = finished ? colour : "var(--panel)";
    picture.append(dots);
  }
}

/** Draws what was said so far of the chosen point: a dot a forecast, their barycentre, a circle of radius D. */
function drawSaid(context, point, model, now, view, colour, colours, ratio) {
  const known = soFar(point, model, now);
  if (!known) return;
  let [x, y] = [0, 0];
  const places = [];
  for (let k = known.column; k < model.steps; k++) {
    if (point.offX[k] !== point.offX[k]) continue;
    places.push([point.x + point.offX[k], point.y + point.offY[k], k]);
    x += point.x + point.offX[k];
    y += point.y + point.offY[k];
  }
  [x, y] = [x / places.length, y / places.length];
  view.inMetres(context, ratio);
  const pixel = 1 / view.scale;
  context.setLineDash([]);
  context.strokeStyle = colour;
  context.lineWidth = 0.8 * pixel;
  context.beginPath();
  for (const place of places) {
    context.moveTo(x, y);
    context.lineTo(place[0], place[1]);
  }
  context.stroke();
  context.lineWidth = 1.8 * pixel;
  context.beginPath();
  if (known.dispersion === known.dispersion) context.arc(x, y, Math.max(known.dispersion, 0.5 * pixel), 0, 2 * Math.PI);
  context.moveTo(x - 5 * pixel, y);
  context.lineTo(x + 5 * pixel, y);
  context.moveTo(x, y - 5 * pixel);
  context.lineTo(x, y + 5 * pixel);
  context.stroke();
  for (const [left, up, step] of places) {
    context.globalAlpha = 1 - (0.75 * step) / model.steps; // earlier ones fainter
    context.beginPath();
    context.arc(left, up, 3.6 * pixel, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = 0.8 * pixel;
    context.strokeStyle = colours.page;
    context.stroke();
    context.strokeStyle = colour;
  }
}

/** The chosen point itself: where the agent really is at t̂. */
function drawPoint(context, point, view, colours, ratio) {
  view.inMetres(context, ratio);
  const pixel = 1 / view.scale;
  context.setLineDash([]);
  for (const [width, colour] of [[5, colours.page], [2, colours.truth]]) {
    context.lineWidth = width * pixel;
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(point.x - 7 * pixel, point.y);
    context.lineTo(point.x + 7 * pixel, point.y);
    context.moveTo(point.x, point.y - 7 * pixel);
    context.lineTo(point.x, point.y + 7 * pixel);
    context.stroke();
  }
}
