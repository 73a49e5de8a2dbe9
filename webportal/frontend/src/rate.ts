/** The recent upload rate. */
export class Rate {
  private samples: [number, number][] = [];

  /** Record that `bytes` have been sent in total; the last ten seconds count. */
  record(bytes: number): void {
    const now = performance.now();
    const last = this.samples.at(-1);
    if (last && now - last[0] < 250) return;
    this.samples.push([now, bytes]);
    this.samples = this.samples.filter(([at]) => now - at <= 10_000);
  }

  /** Reset after a pause. */
  reset(): void {
    this.samples = [];
  }

  /** Bytes per second; 0 while unknown. */
  get value(): number {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (!first || !last || last[0] - first[0] < 500) return 0;
    return Math.max(0, ((last[1] - first[1]) / (last[0] - first[0])) * 1000);
  }
}
