// Apart from vite.config.ts: the plugin that compiles messages keeps vitest
// waiting for ten seconds after the last test.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "src/**/*.test.ts"],
    benchmark: { include: ["bench/**/*.bench.ts"] },
    environment: "node",
  },
});
