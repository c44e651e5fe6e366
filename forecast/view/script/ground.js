// The map. It is painted once for a part of the world larger than what is seen, and copied until that is left.

const AREAS = { drivable_area: "road", walkway: "walkway", ped_crossing: "crossing" };
const LINES = { road_divider: ["divider", 1.6, []], lane_divider: ["lane", 1, [5, 4]], lane_centre: ["lane", 0.7, [1, 4]] };
const LARGER = 1.6;

class Ground {
  constructor(scene) {
    this.layers = scene.ground.map(({ layer, shapes }) => {
      const path = new Path2D();
      for (const { x, y } of shapes) {
        path.moveTo(x[0], y[0]);
        for (let k = 1; k < x.length; k++) path.lineTo(x[k], y[k]);
        if (layer in AREAS) path.closePath();
      }
      return { layer, path };
    });
    this.painted = null;
  }

  forget() {
    this.painted = null;
  }

  draw(context, view, colours, ratio) {
    if (!this.layers.length) return;
    if (!this.covers(view, ratio)) this.paint(view, colours, ratio);
    const { canvas, at } = this.painted;
    const left = (at.x - view.x) * view.scale + view.width / 2 - at.width / 2;
    const top = view.height / 2 - (at.y - view.y) * view.scale - at.height / 2;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(canvas, Math.round(left * ratio), Math.round(top * ratio));
  }

  covers(view, ratio) {
    if (!this.painted || this.painted.ratio !== ratio) return false;
    const { at } = this.painted;
    const spareX = (at.width - view.width) / 2 / view.scale;
    const spareY = (at.height - view.height) / 2 / view.scale;
    const near = Math.abs(at.x - view.x) <= spareX && Math.abs(at.y - view.y) <= spareY;
    return at.scale === view.scale && at.of === view.width && near;
  }

  paint(view, colours, ratio) {
    const at = Object.assign(new View(), view);
    at.of = view.width;
    at.width = Math.ceil(view.width * LARGER);
    at.height = Math.ceil(view.height * LARGER);
    const canvas = this.painted ? this.painted.canvas : document.createElement("canvas");
    canvas.width = at.width * ratio;
    canvas.height = at.height * ratio;
    const context = canvas.getContext("2d");
    at.inMetres(context, ratio);
    for (const { layer, path } of this.layers) {
      if (layer in AREAS) {
        context.fillStyle = colours[AREAS[layer]];
        context.fill(path, "evenodd");
      } else {
        const [colour, width, dash] = LINES[layer];
        context.strokeStyle = colours[colour];
        context.lineWidth = width / view.scale;
        context.setLineDash(dash.map((length) => length / view.scale));
        context.stroke(path);
      }
    }
    this.painted = { canvas, at, ratio };
  }
}
