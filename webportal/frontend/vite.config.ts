import { defineConfig } from "vite";

export default defineConfig({
  // Where Django serves the built files from (STATIC_URL + dist/).
  base: "/static/dist/",
  // Everything is imported from src/; there is no folder of files to copy as they are.
  publicDir: false,
  worker: { format: "es" },
  build: {
    target: "esnext",
    outDir: "../static/dist",
    emptyOutDir: true,
    // django-vite reads this to turn an entry's name into its hashed files.
    manifest: true,
    // The content security policy allows files of this site, not data: URLs.
    assetsInlineLimit: 0,
    rolldownOptions: {
      // htmx holds an eval that its setting allowEval (see main.ts) switches off.
      checks: { eval: false },
      input: ["src/main.ts", "src/upload.ts", "src/viewer.ts"],
    },
  },
});
