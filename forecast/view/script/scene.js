// A scene as the page uses it, read in the order in which forecast/view/scene_encoding.py wrote it.
// Positions are metres from the scene's origin, x east, y north.

async function openScene(told, units) {
  const packed = await Packed.open(told.packed);
  const scene = { name: told.name, place: told.place, origin: told.origin };
  scene.time = packed.measured(units.clock, 1);
  scene.agents = readAgents(packed, told, units);
  scene.ground = told.layers.map((layer) => ({ layer, shapes: readShapes(packed, units) }));
  scene.models = told.steps.map((steps) => readModel(packed, steps, scene, units));
  return scene;
}

function readAgents(packed, told, units) {
  const length = packed.measured(units.agent);
  const width = packed.measured(units.agent);
  const whose = packed.whole(1);
  const frame = packed.whole(1);
  const x = packed.measured(units.agent, 2);
  const y = packed.measured(units.agent, 2);
  const heading = packed.measured(units.turn, 1);
  const ego = new Set(told.ego);
  const agents = told.names.map((name, number) => ({
    number, name, category: told.categories[number], kind: told.kinds[number], ego: ego.has(number),
    length: length[number], width: width[number], at: new Int32Array(told.frames).fill(-1), x, y, heading,
    first: -1, last: -1, rows: [],
  }));
  for (let k = 0; k < whose.length; k++) {
    const agent = agents[whose[k]];
    agent.at[frame[k]] = k;
    if (agent.first < 0) agent.first = frame[k];
    agent.last = frame[k];
  }
  return agents;
}

function readShapes(packed, units) {
  const counts = packed.whole();
  const x = packed.measured(units.ground, 1);
  const y = packed.measured(units.ground, 1);
  let at = 0;
  return Array.from(counts, (count) => ({ x: x.subarray(at, at + count), y: y.subarray(at, (at += count)) }));
}

function readModel(packed, steps, scene, units) {
  const model = { lead: packed.measured(units.clock, 1), gap: steps.gap, steps: steps.points, step: steps.step_s };
  const agent = packed.whole(1);
  const frame = packed.whole(1);
  const error = packed.measured(units.figure);
  const modes = packed.whole();
  const share = packed.measured(units.share);
  const x = packed.measured(units.forecast, 2, steps.leads);
  const y = packed.measured(units.forecast, 2, steps.leads);
  const rows = [];
  model.byFrame = scene.time === undefined ? [] : Array.from(scene.time, () => []);
  let mode = 0;
  for (let row = 0; row < agent.length; row++) {
    const start = poseOf(scene.agents[agent[row]], frame[row]);
    const found = { agent: agent[row], frame: frame[row], error: error[row], start, modes: [] };
    for (let k = 0; k < modes[row]; k++, mode++) {
      const from = mode * steps.leads;
      found.modes.push({
        share: share[mode],
        x: x.subarray(from, from + steps.leads).map((off) => off + (start ? start.x : 0)),
        y: y.subarray(from, from + steps.leads).map((off) => off + (start ? start.y : 0)),
      });
    }
    found.modes.sort((one, other) => one.share - other.share);
    model.byFrame[frame[row]].push(found);
    rows.push(found);
  }
  if (steps.attention) readAttention(packed, rows, steps.attention, units);
  model.points = readPoints(packed, steps, scene.agents.length, units);
  return model;
}

/** By agent, the points of its track in order of time. */
function readPoints(packed, steps, agents, units) {
  const agent = packed.whole(1);
  const frame = packed.whole(1);
  const time = packed.measured(units.clock, 1);
  const x = packed.measured(units.agent, 2);
  const y = packed.measured(units.agent, 2);
  const offX = packed.measured(units.forecast, 1, steps.points);
  const offY = packed.measured(units.forecast, 1, steps.points);
  const dispersion = packed.measured(units.figure, 1, steps.points);
  const metric = packed.measured(units.metric);
  const convergence = packed.measured(units.clock, 1, steps.points);
  const complete = packed.whole();
  const points = Array.from({ length: agents }, () => []);
  for (let k = 0; k < agent.length; k++) {
    const part = (column) => column.subarray(k * steps.points, (k + 1) * steps.points);
    points[agent[k]].push({
      frame: frame[k], time: time[k], x: x[k], y: y[k], offX: part(offX), offY: part(offY),
      dispersion: part(dispersion), convergence: part(convergence), metric: metric[k], complete: complete[k] === 1,
    });
  }
  return points;
}

/** Where an agent is at a frame; null where it was not seen. */
function poseOf(agent, frame) {
  const at = agent.at[frame];
  return at === undefined || at < 0 ? null : { x: agent.x[at], y: agent.y[at], heading: agent.heading[at] };
}

/** Where an agent is between two frames, `part` of the way on; null where it is not seen. */
function poseBetween(agent, frame, part) {
  const here = poseOf(agent, frame);
  if (!here || !part) return here;
  const there = poseOf(agent, frame + 1);
  if (!there) return here;
  const turn = Math.atan2(Math.sin(there.heading - here.heading), Math.cos(there.heading - here.heading));
  return {
    x: here.x + part * (there.x - here.x),
    y: here.y + part * (there.y - here.y),
    heading: here.heading + part * turn,
  };
}
