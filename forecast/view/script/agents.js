// Everybody, where they are now. The outline says what each is: vehicles have a notched front, cyclists a point,
// pedestrians are round, other things crossed; what nobody measured is a disc with a hand. The ego vehicle has a stripe,
// and vehicles, cyclists and discs that are not forecast are hollow.

const LEAST_PX = { 0: 7, 1: 5, 2: 7, 3: 5, 4: 8 };
const USUAL_M = { 0: [4.6, 1.9], 1: [0.7, 0.7], 2: [1.8, 0.6], 3: [0.5, 0.5], 4: [1.6, 1.6] };
const CLICK_PX = 16;

/** Length and width as drawn, metres: never too small to be seen. */
function drawnSize(agent, scale) {
  const [usualLength, usualWidth] = USUAL_M[agent.kind] || USUAL_M[4];
  const length = agent.length || usualLength;
  const width = agent.width || usualWidth;
  const larger = Math.max(1, LEAST_PX[agent.kind] / scale / Math.max(length, 0.1));
  return [length * larger, width * larger];
}

/** Adds an agent's outline to a path, in metres. */
function addOutline(path, agent, pose, scale) {
  const [length, width] = drawnSize(agent, scale);
  const cos = Math.cos(pose.heading || 0);
  const sin = Math.sin(pose.heading || 0);
  const corner = (ahead, left) => [
    pose.x + cos * ahead * length - sin * left * width,
    pose.y + sin * ahead * length + cos * left * width,
  ];
  const line = (...corners) => {
    corners.forEach(([ahead, left], k) => path[k ? "lineTo" : "moveTo"](...corner(ahead, left)));
    path.closePath();
  };
  if (agent.kind === 1 || agent.kind === 4) {
    const radius = Math.max(length, width) / 2;
    path.moveTo(pose.x + radius, pose.y);
    path.arc(pose.x, pose.y, radius, 0, 2 * Math.PI);
  } else if (agent.kind === 2) {
    line([0.6, 0], [0.1, -0.6], [-0.5, -0.35], [-0.5, 0.35], [0.1, 0.6]);
  } else if (agent.kind === 0) {
    line([0.5, 0.3], [0.5, -0.3], [0.3, -0.5], [-0.5, -0.5], [-0.5, 0.5], [0.3, 0.5]);
  } else {
    line([0.5, 0.5], [0.5, -0.5], [-0.5, -0.5], [-0.5, 0.5]);
  }
}

/** Adds what tells an agent's kind or direction besides its outline. */
function addMark(path, agent, pose, scale) {
  const [length, width] = drawnSize(agent, scale);
  const cos = Math.cos(pose.heading || 0);
  const sin = Math.sin(pose.heading || 0);
  if (pose.heading !== pose.heading && agent.kind !== 3) return; // never moved: nobody knows where it looks
  const stroke = (fromAhead, fromLeft, toAhead, toLeft) => {
    path.moveTo(pose.x + cos * fromAhead - sin * fromLeft, pose.y + sin * fromAhead + cos * fromLeft);
    path.lineTo(pose.x + cos * toAhead - sin * toLeft, pose.y + sin * toAhead + cos * toLeft);
  };
  if (agent.kind === 0) stroke(0.22 * length, -0.4 * width, 0.22 * length, 0.4 * width);
  if (agent.ego) stroke(-0.45 * length, 0, 0.22 * length, 0);
  if (agent.kind === 3) {
    stroke(-0.5 * length, -0.5 * width, 0.5 * length, 0.5 * width);
    stroke(-0.5 * length, 0.5 * width, 0.5 * length, -0.5 * width);
  } else if (agent.kind === 4) stroke(0, 0, 0.9 * length, 0);
}

/** Draws all agents; `asked` says of which there is a forecast now. */
function drawAgents(context, poses, view, colours, ratio, asked) {
  const styles = { ego: new Path2D(), target: new Path2D(), open: new Path2D() };
  const marks = new Path2D();
  for (const [agent, pose] of poses) {
    const [left, top] = view.toScreen(pose.x, pose.y);
    if (left < -60 || top < -60 || left > view.width + 60 || top > view.height + 60) continue;
    const small = agent.kind === 1 || agent.kind === 3;
    const style = agent.ego ? "ego" : small || !asked.has(agent.number) ? "open" : "target";
    addOutline(styles[style], agent, pose, view.scale);
    addMark(style === "open" || agent.kind === 4 ? styles.open : marks, agent, pose, view.scale);
  }
  view.inMetres(context, ratio);
  context.setLineDash([]);
  context.lineWidth = 1.4 / view.scale;
  context.fillStyle = colours.page;
  context.strokeStyle = colours.target;
  context.fill(styles.open);
  context.stroke(styles.open);
  context.lineWidth = 1 / view.scale;
  context.strokeStyle = colours.page;
  for (const style of ["target", "ego"]) {
    context.fillStyle = colours[style];
    context.fill(styles[style]);
    context.stroke(styles[style]);
  }
  context.stroke(marks);
}

/** The agent under a pixel, the nearest of several; null where there is none. */
function agentAt(poses, view, left, top) {
  let best = null;
  let least = Infinity;
  for (const [agent, pose] of poses) {
    const [x, y] = view.toScreen(pose.x, pose.y);
    const [length, width] = drawnSize(agent, view.scale);
    const off = Math.hypot(x - left, y - top);
    if (off < Math.max(CLICK_PX, (Math.hypot(length, width) / 2) * view.scale) && off < least) {
      best = agent;
      least = off;
    }
  }
  return best;
}
