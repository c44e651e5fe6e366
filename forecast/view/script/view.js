// Which part of the world the canvas shows: metres to pixels and back. North is up.

class View {
  constructor() {
    this.x = 0;
    this.y = 0;
    this.scale = 6; // pixels a metre
    this.width = 1;
    this.height = 1;
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, this.height / 2 - (y - this.y) * this.scale];
  }

  toWorld(left, top) {
    return [this.x + (left - this.width / 2) / this.scale, this.y - (top - this.height / 2) / this.scale];
  }

  /** Sets a canvas up so that it is drawn on in metres. */
  inMetres(context, ratio) {
    const k = this.scale * ratio;
    context.setTransform(k, 0, 0, -k, (this.width / 2) * ratio - this.x * k, (this.height / 2) * ratio + this.y * k);
  }

  /** Zooms so that what is under a pixel stays there. */
  zoom(factor, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.toWorld(left, top);
    this.scale = Math.min(80, Math.max(0.3, this.scale * factor));
    const [nowX, nowY] = this.toWorld(left, top);
    this.x += x - nowX;
    this.y += y - nowY;
  }

  pan(right, down) {
    this.x -= right / this.scale;
    this.y += down / this.scale;
  }

  /** Shows a rectangle of the world. */
  fit(low, high) {
    this.x = (low[0] + high[0]) / 2;
    this.y = (low[1] + high[1]) / 2;
    const wide = this.width / Math.max(20, high[0] - low[0]);
    const tall = this.height / Math.max(20, high[1] - low[1]);
    this.scale = Math.min(20, Math.max(0.3, 0.92 * Math.min(wide, tall)));
  }
}
