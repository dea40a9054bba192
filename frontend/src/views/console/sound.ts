const soundKey = "rasad.sound";

/** Two short tones for a new incident, three for a call for help. Made here: nothing is fetched. */
export class Chime {
  #context: AudioContext | null = null;
  on: boolean;

  constructor() {
    let remembered: string | null = null;
    try {
      remembered = localStorage.getItem(soundKey);
    } catch {
      // a browser that keeps nothing
    }
    this.on = remembered !== "off";
  }

  /** The browser keeps sound back until somebody touched the page. The screen says so. */
  get blocked(): boolean {
    return this.on && this.#context?.state !== "running";
  }

  /** To be called by a gesture of a person. Resolves when sound may be made. */
  async unlock(): Promise<void> {
    if (!this.on) return;
    this.#context ??= new AudioContext();
    if (this.#context.state !== "running") await this.#context.resume().catch(() => undefined);
  }

  set(on: boolean): void {
    this.on = on;
    try {
      localStorage.setItem(soundKey, on ? "on" : "off");
    } catch {
      // kept for this page only
    }
  }

  play(what: "incident" | "distress"): void {
    const context = this.#context;
    if (!this.on || context?.state !== "running") return;
    const tones = what === "incident" ? [660, 880] : [880, 660, 880];
    tones.forEach((hertz, i) => {
      const at = context.currentTime + i * 0.18;
      const tone = context.createOscillator();
      const gain = context.createGain();
      tone.type = what === "incident" ? "sine" : "triangle";
      tone.frequency.value = hertz;
      // Begins and ends softly: a click in a headset hurts.
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(0.16, at + 0.02);
      gain.gain.linearRampToValueAtTime(0, at + 0.16);
      tone.connect(gain).connect(context.destination);
      tone.start(at);
      tone.stop(at + 0.18);
    });
  }
}
