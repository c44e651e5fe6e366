// Columns of numbers, as forecast/view/packing.py wrote them.

class Packed {
  /** @param {string} text base64 of deflated bytes */
  static async open(text) {
    const raw = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Packed(new Uint8Array(await new Response(stream).arrayBuffer()));
  }

  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  /** The next number: 7 bits a byte, lowest first, the sign in the lowest bit. */
  number() {
    let value = 0;
    let worth = 1;
    let byte = 0;
    do {
      byte = this.bytes[this.at++];
      value += (byte & 127) * worth;
      worth *= 128;
    } while (byte > 127);
    return value % 2 ? -(value + 1) / 2 : value / 2;
  }

  /** The next column of whole numbers; `last` is the length of the axis that differences were taken along. */
  whole(order = 0, last = 0) {
    const column = new Float64Array(this.number());
    for (let k = 0; k < column.length; k++) column[k] = this.number();
    const length = last || column.length;
    for (let turn = 0; turn < order; turn++) {
      for (let k = 0; k < column.length; k++) if (k % length) column[k] += column[k - 1];
    }
    return column;
  }

  /** The next column of quantities; NaN where unknown. */
  measured(unit, order = 0, last = 0) {
    const column = this.whole(order, last);
    for (let k = 0; k < column.length; k++) column[k] *= unit;
    for (const gap of this.whole(1)) column[gap] = NaN;
    return column;
  }
}
