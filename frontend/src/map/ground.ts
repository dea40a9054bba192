import type { CustomLayerInterface, Map as MapLibre } from "maplibre-gl";
import type { Ground, Place } from "./stand-in";

/**
 * Draws nothing. It stands between the ground and the operations, so that at its turn the canvas holds the ground alone, and
 * copies that when it was asked to.
 */
export class GroundLayer implements CustomLayerInterface {
  readonly id = "ground-copy";
  readonly type = "custom";
  readonly renderingMode = "2d";
  readonly #tell: (ground: Ground) => void;
  readonly #place: () => Place;
  #map: MapLibre | null = null;
  #wanted = false;

  constructor(tell: (ground: Ground) => void, place: () => Place) {
    this.#tell = tell;
    this.#place = place;
  }

  /** Copies the ground with the next picture. */
  copy(): void {
    this.#wanted = true;
    this.#map?.triggerRepaint();
  }

  onAdd(map: MapLibre): void {
    this.#map = map;
  }

  render(): void {
    if (!this.#wanted || !this.#map) return;
    this.#wanted = false;
    const canvas = this.#map.getCanvas();
    if (canvas.clientWidth === 0 || canvas.clientHeight === 0) return;
    const picture = new OffscreenCanvas(canvas.clientWidth, canvas.clientHeight);
    // In the memory of the processor: the GPU loses everything at once.
    picture.getContext("2d", { willReadFrequently: true })!.drawImage(canvas, 0, 0, picture.width, picture.height);
    this.#tell({ picture, place: this.#place() });
  }
}
