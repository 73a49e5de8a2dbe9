import { type Plugin, defineConfig } from "vite";

/**
 * Cornerstone styles the text beside a measurement by an attribute, which the content security
 * policy refuses; set through the DOM the same style is allowed.
 */
function allowMeasurementText(): Plugin {
  const attribute = "textElement.setAttribute('style', combinedStyle);";
  return {
    name: "allow-measurement-text",
    transform(code, id) {
      if (!id.endsWith("/drawingSvg/drawTextBox.js")) return undefined;
      if (!code.includes(attribute)) this.error("Cornerstone has changed: look at drawTextBox.js");
      return code.replace(attribute, "textElement.style.cssText = combinedStyle;");
    },
  };
}

export default defineConfig({
  // Where Django serves the built files from (STATIC_URL + dist/).
  base: "/static/dist/",
  // Everything is imported from src/; there is no folder of files to copy as they are.
  publicDir: false,
  plugins: [allowMeasurementText()],
  worker: { format: "es" },
  build: {
    target: "esnext",
    outDir: "../static/dist",
    emptyOutDir: true,
    // django-vite reads this to turn an entry's name into its hashed files.
    manifest: true,
    // The content security policy allows files of this site, not data: URLs.
    assetsInlineLimit: 0,
    // Cornerstone3D is that large, and is loaded by the study page alone.
    chunkSizeWarningLimit: 3000,
    rolldownOptions: {
      // htmx holds an eval that its setting allowEval (see main.ts) switches off.
      checks: { eval: false },
      input: ["src/main.ts", "src/upload.ts", "src/viewer.ts"],
      output: {
        codeSplitting: {
          // Apart from our own code, so that browsers keep it from version to version.
          groups: [{ name: "cornerstone", test: /node_modules\/(@cornerstonejs|@kitware|gl-matrix)\// }],
        },
      },
    },
  },
});
