import { defineConfig } from "vitest/config";

// Apart from the build, which is made where the tests' tools are not installed.
export default defineConfig({
  test: { environment: "happy-dom", include: ["tests/**/*.test.ts"] },
});
