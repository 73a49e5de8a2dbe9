/** How many bytes a second got through lately. */
export class Rate {
  private samples: [number, number][] = [];

  /** Note that `bytes` have been sent in all by now; the last ten seconds count. */
  note(bytes: number): void {
    const now = performance.now();
    const last = this.samples.at(-1);
    if (last && now - last[0] < 250) return;
    this.samples.push([now, bytes]);
    this.samples = this.samples.filter(([at]) => now - at <= 10_000);
  }

  /** Forget what was before a pause. */
  reset(): void {
    this.samples = [];
  }

  /** Bytes a second; 0 while nothing is known. */
  get value(): number {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (!first || !last || last[0] - first[0] < 500) return 0;
    return Math.max(0, ((last[1] - first[1]) / (last[0] - first[0])) * 1000);
  }
}
